// The rules as promtool sees them, and what no tool checks: every alert is tested both ways and has its page, every name is one of ours.
import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import { has } from '../harness/namespaces.ts'
import { recordedBy, unknownLabels, unknownMetrics } from '../harness/promql.ts'
import { ROOT, RULE_FILES, RULES, readYaml } from '../harness/rules.ts'

interface RuleTest {
  readonly alert_rule_test: readonly { readonly alertname: string; readonly exp_alerts: readonly unknown[] }[]
}

const TEST_FILES = globSync('test/rules/*.yaml', { cwd: ROOT }).sort()
const alerts = RULES.filter(({ alert }) => alert !== undefined)
const asked = TEST_FILES.flatMap((path) => (readYaml(path) as { tests: RuleTest[] }).tests).flatMap((test) => test.alert_rule_test)

function promtool(...args: string[]): { code: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { cwd: ROOT, encoding: 'utf8' })
  return { code: status, said: status === 0 ? '' : stdout + stderr }
}

const skip = has('promtool') ? false : 'no promtool'

t.test('promtool check rules has no complaint', { skip }, async (t) => {
  t.same(promtool('check', 'rules', '--lint=all', '--lint-fatal', ...RULE_FILES), { code: 0, said: '' })
})

t.test('what is to fire fires, with the words that are to be said, and nothing else does', { skip }, async (t) => {
  for (const path of TEST_FILES) t.same(promtool('test', 'rules', path), { code: 0, said: '' }, path)
})

t.test('each alert is tested firing and keeping silent', async (t) => {
  for (const { alert } of alerts) {
    const counts = asked.filter(({ alertname }) => alertname === alert).map(({ exp_alerts }) => exp_alerts.length)
    t.ok(Math.max(...counts) > 0, `${alert} fires`)
    t.equal(Math.min(...counts), 0, `${alert} keeps silent`)
  }
})

t.test('each alert has a severity and a runbook, and each runbook an alert', async (t) => {
  const pages = globSync('docs/runbooks/*.md', { cwd: ROOT }).map((path) => basename(path, '.md'))
  t.same(pages.sort(), alerts.map(({ alert }) => alert).sort())
  for (const { alert, labels, annotations } of alerts) {
    t.match(labels?.severity, /^(warning|critical)$/, `${alert} has a severity`)
    t.equal(annotations?.runbook_url, `docs/runbooks/${alert}.md`)
    t.equal(readFileSync(join(ROOT, `docs/runbooks/${alert}.md`), 'utf8').split('\n')[0], `# ${alert}`)
  }
})

t.test('the rules ask for metrics and labels that are there', async (t) => {
  const recorded = recordedBy(RULES)
  for (const { record, alert, expr, annotations } of RULES) {
    const name = record ?? alert ?? ''
    const shown = Object.values(annotations ?? {})
      .join(' ')
      .replaceAll(/\$labels\.(\w+)/g, '{{$1}}')
    t.same(unknownMetrics(expr, recorded), [], `metrics of ${name}`)
    t.same(unknownLabels(expr, recorded, shown), [], `labels of ${name}`)
  }
})

t.test('a misspelt metric or label is found', async (t) => {
  const recorded = recordedBy(RULES)
  t.same(unknownMetrics('sum(rate(orb8_flow_byte_total[5m]))', recorded), ['orb8_flow_byte_total'])
  t.same(
    unknownLabels('sum by (peer) (rate(orb8_flow_bytes_total{workload="a", dir="egress"}[5m]))', recorded, '{{peer_kind}} {{nspace}}'),
    ['peer', 'dir', 'nspace'],
  )
  t.same(unknownLabels('namespace_pod:orb8_gpu_utilization_ratio:avg{gpu="0"}', recorded), ['gpu'], 'recorded series keep few labels')
})

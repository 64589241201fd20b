// The rules as promtool sees them, and what no tool checks: every alert is tested both ways and has its page, every name is one of ours.
import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { has } from '../harness/namespaces.ts'
import { labelFaults, unknownMetrics } from '../harness/promql.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const RULES = globSync('rules/*.yaml', { cwd: ROOT }).sort()

interface Rule {
  readonly record?: string
  readonly alert?: string
  readonly expr: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

interface AlertTest {
  readonly name: string
  readonly alert_rule_test: readonly { readonly alertname: string; readonly exp_alerts: readonly unknown[] }[]
}

const read = (path: string): unknown => parse(readFileSync(join(ROOT, path), 'utf8'))
const rules = RULES.flatMap((path) => (read(path) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules))
const alerts = rules.filter(({ alert }) => alert !== undefined)
const tests = globSync('test/rules/*.yaml', { cwd: ROOT }).flatMap((path) => (read(path) as { tests: AlertTest[] }).tests)

function promtool(...args: string[]): { code: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { cwd: ROOT, encoding: 'utf8' })
  return { code: status, said: status === 0 ? '' : stdout + stderr }
}

const skip = has('promtool') ? false : 'no promtool'

t.test('promtool check rules has no complaint', { skip }, async (t) => {
  t.same(promtool('check', 'rules', '--lint=all', '--lint-fatal', ...RULES), { code: 0, said: '' })
})

t.test('promtool test rules: what is to fire fires, with the words that are to be said, and nothing else does', { skip }, async (t) => {
  for (const path of globSync('test/rules/*.yaml', { cwd: ROOT })) t.same(promtool('test', 'rules', path), { code: 0, said: '' }, path)
})

t.test('each alert is tested firing and not firing', async (t) => {
  const asked = tests.flatMap((test) => test.alert_rule_test)
  for (const { alert } of alerts) {
    const own = asked.filter(({ alertname }) => alertname === alert)
    t.ok(
      own.some(({ exp_alerts }) => exp_alerts.length > 0),
      `${alert} fires`,
    )
    t.ok(
      own.some(({ exp_alerts }) => exp_alerts.length === 0),
      `${alert} keeps silent`,
    )
  }
})

t.test('each alert has a runbook with its name, and each runbook an alert', async (t) => {
  const pages = globSync('docs/runbooks/*.md', { cwd: ROOT }).sort()
  t.same(pages.map((path) => basename(path, '.md')).filter((name) => name !== 'README'), alerts.map(({ alert }) => alert).sort())
  for (const { alert, labels, annotations } of alerts) {
    t.equal(annotations?.runbook_url, `docs/runbooks/${alert}.md`)
    t.match(labels?.severity, /^(warning|critical)$/, `${alert} has a severity`)
    t.equal(readFileSync(join(ROOT, `docs/runbooks/${alert}.md`), 'utf8').split('\n')[0], `# ${alert}`)
  }
})

t.test('the rules ask for metrics and labels that are there', async (t) => {
  const recorded = rules.flatMap(({ record }) => record ?? [])
  for (const { record, alert, expr } of rules) {
    const name = record ?? alert ?? ''
    t.same(unknownMetrics(expr, recorded), [], `metrics of ${name}`)
    t.same(labelFaults(expr), [], `labels of ${name}`)
  }
})

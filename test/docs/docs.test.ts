// What the pages say that a machine can check: queries parse and ask for metrics that are there, examples are YAML, links lead somewhere.
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t from 'tap'
import { parseDocument, stringify } from 'yaml'
import { ALL_SETTINGS } from '../../src/config/settings.ts'
import { has } from '../harness/namespaces.ts'
import { recordedBy, unknownMetrics } from '../harness/promql.ts'
import { ROOT, RULES } from '../harness/rules.ts'

const NO_PROMTOOL = has('promtool') ? false : 'no promtool'
const PAGES = ['docs/**/*.md', '*.md', 'helm/orb8/*.md'].flatMap((pattern) => globSync(pattern, { cwd: ROOT })).sort()
const VARIABLES = new Set(ALL_SETTINGS.flatMap(({ variable, specific = variable }) => [variable, specific]))
const textOf = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

/** Fenced blocks of one language, also indented ones. */
const blocks = (text: string, language: string): string[] =>
  [...text.matchAll(new RegExp(`^( *)\`\`\`${language}\\n(.*?)^ *\`\`\``, 'gms'))].map(([, indent = '', inside = '']) =>
    inside.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  )

const queries = PAGES.flatMap((page) => blocks(textOf(page), 'promql').map((expr) => ({ page, expr })))

t.test('queries ask for metrics that are there', async (t) => {
  t.ok(queries.length > 5)
  const recorded = recordedBy(RULES)
  for (const { page, expr } of queries) {
    const ours = unknownMetrics(expr.replaceAll(/#.*$/gm, ''), recorded).filter((name) => !name.startsWith('kube_'))
    t.same(ours, [], `${page}: ${expr}`)
  }
})

t.test('metrics, programs and settings that the prose names are there', async (t) => {
  const recorded = recordedBy(RULES)
  const programs = globSync('bpf/*.[ch]', { cwd: ROOT }).map(textOf).join('\n')
  // Others tell of names that were or may be one day, and of the scripts' own.
  const present = PAGES.filter((page) => !/^(CHANGELOG|CONTRIBUTING).md$/.test(page) && !page.startsWith('docs/decisions/'))
  for (const page of present) {
    const named = [...textOf(page).matchAll(/`(orb8_\w*[a-z0-9])\b(?!\.|:)/g)].map(([, name = '']) => name)
    const unknown = named.filter((name) => unknownMetrics(name, recorded).length > 0 && !new RegExp(`\\b${name}\\b`).test(programs))
    t.same(unknown, [], `${page}: metrics`)
    const settings = [...textOf(page).matchAll(/\b(?:ORB8|OTEL)_[A-Z_]*[A-Z]\b(?!_)/g)].map(([name]) => name)
    t.same(
      settings.filter((name) => !VARIABLES.has(name)),
      [],
      `${page}: settings`,
    )
  }
})

t.test('values that the pages set are values of the chart', async (t) => {
  const values = parseDocument(textOf('helm/orb8/values.yaml'))
  const keys = PAGES.flatMap((page) => [...textOf(page).matchAll(/--set ([\w.]+)=/g)].map(([, key = '']) => ({ page, key })))
  t.ok(keys.length > 3)
  for (const { page, key } of keys) {
    const [group = ''] = key.split('.')
    // Below a map of the user's own, such as labels, anything goes.
    const own = /\.labels\./.test(key) && values.has(group)
    t.ok(own || values.hasIn(key.split('.')), `${page}: ${key}`)
  }
})

t.test('promtool parses them', { skip: NO_PROMTOOL }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'orb8-test-docs-'))
  try {
    const rules = queries.map(({ expr }, index) => ({ record: `query:${index}`, expr }))
    writeFileSync(join(folder, 'queries.yaml'), stringify({ groups: [{ name: 'queries', rules }] }))
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'rules', join(folder, 'queries.yaml')], { encoding: 'utf8' })
    t.equal(status, 0, stdout + stderr)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

/** As two replicas of kube-state-metrics tell it, of a pod that sends and of one that does not. */
const KUBE = ['a', 'b'].flatMap((replica) => [
  `kube_pod_owner{namespace="shop",pod="web-1",owner_kind="ReplicaSet",owner_name="web-7d4b",owner_is_controller="true",instance="${replica}"}`,
  `kube_pod_info{namespace="shop",pod="web-1",node="elsewhere",priority_class="high",instance="${replica}"}`,
  `kube_pod_info{namespace="shop",pod="db-0",node="elsewhere",priority_class="low",instance="${replica}"}`,
])
const FLOWS = 'orb8_container_network_bytes_total{namespace="shop",pod="web-1",node="node-a"'
const JOINED: Readonly<Record<string, string>> = {
  kube_pod_owner: '{namespace="shop", owner_kind="ReplicaSet", owner_name="web-7d4b", direction="egress"}',
  kube_pod_info: '{node="node-a", priority_class="high"}',
}

t.test("joins with kube-state-metrics' series find the pod, also where two replicas tell of it", { skip: NO_PROMTOOL }, async (t) => {
  const joins = queries.filter(({ expr }) => expr.includes('kube_'))
  t.equal(joins.length, Object.keys(JOINED).length)
  const input_series = [...KUBE, ...['tcp', 'udp'].map((protocol) => `${FLOWS},direction="egress",protocol="${protocol}"}`)].map(
    (series) => ({
      series,
      values: series.startsWith('kube_') ? '1+0x10' : '0+60x10',
    }),
  )
  const promql_expr_test = joins.map(({ expr }) => {
    const [, labels] = Object.entries(JOINED).find(([name]) => expr.includes(name)) ?? []
    return { expr, eval_time: '10m', exp_samples: [{ labels, value: 2 }] }
  })
  const folder = mkdtempSync(join(tmpdir(), 'orb8-test-docs-'))
  try {
    writeFileSync(join(folder, 'joins.yaml'), stringify({ rule_files: [], tests: [{ interval: '1m', input_series, promql_expr_test }] }))
    const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', join(folder, 'joins.yaml')], { encoding: 'utf8' })
    t.equal(status, 0, stdout + stderr)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

t.test('examples are YAML', async (t) => {
  const examples = [
    ...PAGES.flatMap((page) => blocks(textOf(page), 'yaml').map((text) => ({ page, text }))),
    ...globSync('docs/examples/*.yaml', { cwd: ROOT }).map((page) => ({ page, text: textOf(page) })),
  ]
  t.ok(examples.length > 3)
  for (const { page, text } of examples) t.same(parseDocument(text).errors, [], page)
})

t.test('links within the repository lead somewhere', async (t) => {
  for (const page of PAGES) {
    for (const [, target = ''] of textOf(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^(https?:|#)/.test(target)) continue
      t.ok(existsSync(join(ROOT, dirname(page), target.replace(/#.*/, ''))), `${page}: ${target}`)
    }
  }
})

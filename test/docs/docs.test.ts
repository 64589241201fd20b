// What the pages say that a machine can check: queries parse and ask for metrics that are there, examples are YAML, links lead somewhere.
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t from 'tap'
import { parseDocument, stringify } from 'yaml'
import { has } from '../harness/namespaces.ts'
import { recordedBy, unknownMetrics } from '../harness/promql.ts'
import { ROOT, RULES } from '../harness/rules.ts'

const PAGES = [...globSync('docs/**/*.md', { cwd: ROOT }), ...globSync('*.md', { cwd: ROOT })].sort()
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

t.test('promtool parses them', { skip: has('promtool') ? false : 'no promtool' }, async (t) => {
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

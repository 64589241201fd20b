import { createHash } from 'node:crypto'
import t, { type Test } from 'tap'
import { humanBytes, LANDING_POLICY, landingPage } from '../../src/publish/landing.ts'
import { EXAMPLE, FLOW_COLUMNS, snapshotOf } from './snapshots.ts'

const PAGE = { version: '1.2.3', nodeName: 'node-a', nowMs: 1e12 + 3000, earlier: undefined, latest: undefined }
const HOSTILE = `<script>alert("1")</script>&amp;'`

const cellsOf = (html: string): string[][] =>
  [...html.matchAll(/<tr>(<th scope="row">.*?)<\/tr>/g)].map(([, row = '']) =>
    row
      .split(/<\/t[hd]>/)
      .slice(0, -1)
      .map((cell) => cell.replace(/<small>/, ' | ').replace(/<[^>]*>/g, '')),
  )

/** Every element is closed by its own end, but for those that have none. */
function assertNested(t: Test, html: string): void {
  const open: string[] = []
  for (const [, slash, name = ''] of html.replace(/<style>[\s\S]*<\/style>/, '').matchAll(/<(\/?)([a-z][a-z0-9]*)[^<>]*>/g)) {
    if (name === 'meta') continue
    if (slash === '') open.push(name)
    else if (open.pop() !== name) t.fail(`</${name}> closes something else`)
  }
  t.same(open, [])
  t.notMatch(html.replace(/<!DOCTYPE html>|<\/?[a-z][^<>]*>/g, ''), /[<>]/)
}

t.test('before the first collection the page says so', async (t) => {
  const html = landingPage(PAGE)
  t.match(html, 'Nothing has been collected yet.')
  t.match(html, '1.2.3 on <strong>node-a</strong>')
  for (const path of ['/metrics', '/healthz', '/readyz']) t.match(html, `<a href="${path}">`)
  assertNested(t, html)
})

t.test('a flow is shown with its names and human numbers', async (t) => {
  const latest = snapshotOf([{ labels: EXAMPLE, values: [1_234_567, 800, 0] }])
  const html = landingPage({ ...PAGE, latest })
  t.match(html, 'The flow with the most bytes since counting began; collected 3 s ago.')
  t.same(cellsOf(html), [['shop/checkout | Deployment', '1.23 MB', '800 B', 'data/postgres | pod · eu-1a', '5432', 'tcp', 'client']])
  assertNested(t, html)
})

t.test('with two snapshots rates are shown, the highest first, and who stood still is left out', async (t) => {
  const flows = (numbers: readonly number[]) =>
    numbers.map((sent, index) => ({ labels: { ...EXAMPLE, workload: `w${index}` }, values: [sent, 0] }))
  const first = snapshotOf(flows([1e9, 5000, 0]), { timeMs: 1e12 - 10_000 })
  const later = snapshotOf(flows([1e9, 25_000, 1e6, 70_000]))
  const rows = [...first.flows.rows, ...later.flows.rows.slice(3)]
  const html = landingPage({ ...PAGE, earlier: first, latest: { ...later, flows: { ...later.flows, rows } } })
  t.match(html, 'over 10 s')
  t.same(
    cellsOf(html).map(([workload, out]) => [workload, out]),
    [
      ['shop/w2 | Deployment', '100 kB/s'],
      ['shop/w3 | Deployment', '7.00 kB/s'],
      ['shop/w1 | Deployment', '2.00 kB/s'],
    ],
  )
  t.match(html, /class="bytes b20">100 kB/)
  t.match(html, /class="bytes b1">7\.00 kB/)
})

t.test('of many flows the twenty with the most bytes are shown, in order', async (t) => {
  const sums = Array.from({ length: 500 }, (_, index) => ((index * 7919) % 500) * 1000 + 1000)
  const latest = snapshotOf(sums.map((sent, index) => ({ labels: { ...EXAMPLE, workload: `w${index}` }, values: [sent / 2, sent / 2] })))
  const shown = cellsOf(landingPage({ ...PAGE, latest })).map(([, out]) => out)
  t.same(
    shown,
    Array.from({ length: 20 }, (_, place) => humanBytes((500 - place) * 500)),
  )
})

t.test('nothing that moved is said in words', async (t) => {
  const latest = snapshotOf([{ labels: EXAMPLE, values: [0] }])
  t.match(landingPage({ ...PAGE, latest }), 'No flow moved any bytes since counting began')
})

t.test('names from outside cannot become part of the page', async (t) => {
  const labels = Object.fromEntries(Object.keys(EXAMPLE).map((name) => [name, HOSTILE]))
  const latest = snapshotOf([{ labels: { ...labels, protocol: 'tcp' }, values: [5] }])
  const html = landingPage({ version: HOSTILE, nodeName: HOSTILE, nowMs: 1e12, earlier: undefined, latest })
  t.notMatch(html, '<script')
  t.match(html, '&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;amp;&#39;')
  assertNested(t, html)
  const control = landingPage({ ...PAGE, nodeName: 'a\0b\x1b[31m\ud800' })
  t.match(control, 'a\ufffdb\ufffd[31m\ufffd')
})

t.test('labels that are summed away leave no empty columns', async (t) => {
  const latest = snapshotOf([{ labels: EXAMPLE, values: [5] }], { labelNames: ['namespace', 'pod', 'container', 'protocol'] })
  const one = {
    ...latest,
    flows: { ...latest.flows, columns: latest.flows.columns.map(({ labelName: _, labelValue: __, ...column }) => column) },
  }
  const html = landingPage({
    ...PAGE,
    latest: { ...one, flows: { ...one.flows, columns: one.flows.columns.toSpliced(1, 1), values: new Float64Array(7).fill(5) } },
  })
  t.same(
    [...html.matchAll(/<th scope="col">(.*?)<\/th>/g)].map(([, title]) => title),
    ['Workload', 'Bytes', 'Protocol'],
  )
  t.equal(FLOW_COLUMNS.length, 8)
})

t.test('the policy allows the page’s own style and nothing else, and the page asks for nothing else', async (t) => {
  const html = landingPage({ ...PAGE, latest: snapshotOf([{ labels: EXAMPLE, values: [5] }]) })
  const style = /<style>([\s\S]*)<\/style>/.exec(html)?.[1] ?? ''
  t.match(LANDING_POLICY, `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`)
  t.match(LANDING_POLICY, "default-src 'none'")
  t.notMatch(html, /style=|src=|https?:|url\(|@import|<link|<script/)
})

t.test('bytes are told in powers of a thousand with three digits', async (t) => {
  const expected = {
    0: '0 B',
    1: '1 B',
    999: '999 B',
    1000: '1.00 kB',
    1234: '1.23 kB',
    99949: '99.9 kB',
    99960: '100 kB',
    999499: '999 kB',
    999500: '1.00 MB',
    1e15: '1.00 PB',
    5e21: '5000 EB',
  }
  for (const [bytes, text] of Object.entries(expected)) t.equal(humanBytes(Number(bytes)), text)
  t.equal(humanBytes(0.4), '0 B')
})

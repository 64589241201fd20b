// The page at /: who this is, where to go on, and the node's top flows now. Knows the labels of flows by name and HTML; nothing
// of HTTP.
import { createHash } from 'node:crypto'
import { FLOW_BYTES } from '../metrics.ts'
import type { SeriesTable, Snapshot } from '../model.ts'
import { STYLE } from './landing-style.ts'

/** Nothing but this page's own style: no script, no image, no frame, nowhere to send anything. */
export const LANDING_POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

export interface Landing {
  readonly version: string
  readonly nodeName: string
  readonly latest: Snapshot | undefined
  /** Makes rates of totals. */
  readonly earlier: Snapshot | undefined
  /** ms since the epoch. */
  readonly nowMs: number
}

/** Rows shown: what one looks over without scrolling far. */
const ROWS = 20

export function landingPage({ version, nodeName, latest, earlier, nowMs }: Landing): string {
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>orb8 on ${escapeHtml(nodeName)}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>orb8-exporter</h1>
<p>${escapeHtml(version)} on <strong>${escapeHtml(nodeName)}</strong></p>
<nav aria-label="Pages"><ul>
<li><a href="/metrics">Metrics</a></li>
<li><a href="/healthz">Health</a></li>
<li><a href="/readyz">Readiness</a></li>
</ul></nav>
</header>
<main>
<h2>Top flows</h2>
${latest === undefined ? '<p>Nothing has been collected yet.</p>' : flowSection(latest, earlier, nowMs)}
</main>
</body>
</html>
`
}

function flowSection(latest: Snapshot, earlier: Snapshot | undefined, nowMs: number): string {
  const seconds = earlier === undefined ? 0 : (latest.timeMs - earlier.timeMs) / 1000
  const rates = seconds > 0
  const flows = topFlows(latest.flows, rates ? earlier?.flows : undefined, rates ? seconds : 1)
  const age = Math.max(0, Math.round((nowMs - latest.timeMs) / 1000))
  const moved =
    flows.length === 0 ? 'No flow moved any bytes' : `The ${flows.length === 1 ? 'flow' : `${flows.length} flows`} with the most bytes`
  const span = rates ? `over ${Math.round(seconds)} s` : 'since counting began'
  const note = `<p>${moved} ${span}; collected ${age} s ago.</p>`
  return flows.length === 0 ? note : `${note}\n${flowTable(latest.flows, flows, rates ? '/s' : '')}`
}

interface TopFlow {
  readonly labels: readonly string[]
  /** Bytes by `byteColumns`, or bytes a second. */
  readonly bytes: readonly number[]
  readonly sum: number
}

/** Where the table has bytes: one column a direction, or one for both. */
function byteColumns(table: SeriesTable): { readonly index: number; readonly title: string }[] {
  const titles: Readonly<Record<string, string>> = { egress: 'Out', ingress: 'In' }
  return table.columns.flatMap(({ metric, labelValue = '' }, index) =>
    metric.name === FLOW_BYTES.name ? [{ index, title: titles[labelValue] ?? 'Bytes' }] : [],
  )
}

function topFlows(table: SeriesTable, before: SeriesTable | undefined, seconds: number): TopFlow[] {
  const columns = byteColumns(table)
  const width = table.columns.length
  const rowBefore = new Map(before?.rows.map((row, index) => [row, index]))
  const bytesOf = (row: number): number[] => {
    const earlier = rowBefore.get(table.rows[row] as SeriesTable['rows'][number])
    return columns.map(({ index }) => {
      const past = earlier === undefined ? 0 : (before?.values[earlier * width + index] ?? 0)
      return Math.max(0, (table.values[row * width + index] ?? 0) - past) / seconds
    })
  }
  const top: TopFlow[] = []
  table.rows.forEach(({ labels }, row) => {
    const bytes = bytesOf(row)
    const sum = bytes.reduce((one, other) => one + other, 0)
    if (sum <= (top.length < ROWS ? 0 : (top.at(-1)?.sum ?? 0))) return
    const place = top.findIndex((flow) => flow.sum < sum)
    top.splice(place < 0 ? top.length : place, 0, { labels, bytes, sum })
    if (top.length > ROWS) top.pop()
  })
  return top
}

function flowTable(table: SeriesTable, flows: readonly TopFlow[], per: string): string {
  const columns = byteColumns(table)
  const most = Math.max(...flows.flatMap(({ bytes }) => bytes))
  const has = (name: string): boolean => table.labelNames.includes(name)
  const cells = CELLS.filter(({ needs }) => needs.some(has))
  const [owner, ...rest] = [...cells.filter(({ title }) => title === 'Workload'), ...cells.filter(({ title }) => title !== 'Workload')]
  const head = [owner?.title, ...columns.map(({ title }) => title), ...rest.map(({ title }) => title)]
  const lines = flows.map(({ labels, bytes }) => {
    const read = (name: string): string => labels[table.labelNames.indexOf(name)] ?? ''
    const bars = bytes.map((value) => bar(value, most, per))
    return `<tr>${owner === undefined ? '' : `<th scope="row">${owner.html(read)}</th>`}${bars.join('')}${rest.map(({ html }) => `<td>${html(read)}</td>`).join('')}</tr>`
  })
  return `<div class="wide"><table>
<thead><tr>${head.flatMap((title) => (title === undefined ? [] : [`<th scope="col">${title}</th>`])).join('')}</tr></thead>
<tbody>
${lines.join('\n')}
</tbody>
</table></div>`
}

type Read = (label: string) => string

const CELLS: readonly { readonly title: string; readonly needs: readonly string[]; readonly html: (read: Read) => string }[] = [
  {
    title: 'Workload',
    needs: ['workload', 'namespace', 'pod'],
    html: (read) => named(read('namespace'), read('workload') || read('pod'), [read('workload_kind'), read('container')]),
  },
  {
    title: 'Peer',
    needs: ['peer_kind', 'peer_workload', 'peer_namespace'],
    html: (read) => named(read('peer_namespace'), read('peer_workload') || read('peer_kind'), peerDetails(read)),
  },
  { title: 'Port', needs: ['port'], html: (read) => (read('port') === '0' ? '' : escapeHtml(read('port'))) },
  { title: 'Protocol', needs: ['protocol'], html: (read) => escapeHtml(read('protocol')) },
  { title: 'Role', needs: ['role'], html: (read) => escapeHtml(read('role')) },
]

function peerDetails(read: Read): string[] {
  return [read('peer_workload') === '' ? '' : read('peer_kind'), read('peer_zone')]
}

function named(namespace: string, name: string, details: readonly string[]): string {
  const small = details.filter((detail) => detail !== '').join(' · ')
  const before = namespace === '' ? '' : `<span class="quiet">${escapeHtml(namespace)}/</span>`
  return `${before}${escapeHtml(name === '' ? '–' : name)}${small === '' ? '' : `<small>${escapeHtml(small)}</small>`}`
}

/** A number over a bar in twentieths: a strict policy has no room for widths of one's own. */
function bar(bytes: number, most: number, per: string): string {
  const twentieths = bytes <= 0 ? 0 : Math.max(1, Math.round((bytes / most) * 20))
  return `<td class="bytes b${twentieths}">${bytes <= 0 ? '<span class="quiet">0</span>' : `${humanBytes(bytes)}${per}`}</td>`
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'] as const

/** Powers of a thousand, three digits. */
export function humanBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000
    unit++
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
  return `${value.toFixed(digits)} ${UNITS[unit]}`
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

function escapeHtml(text: string): string {
  // A control character has no place in HTML, escaped or not.
  return [...text.toWellFormed()].map((letter) => ENTITIES[letter] ?? (isControl(letter) ? '\ufffd' : letter)).join('')
}

function isControl(letter: string): boolean {
  const code = letter.codePointAt(0) ?? 0
  return (code < 32 && code !== 9 && code !== 10) || (code >= 127 && code < 160)
}

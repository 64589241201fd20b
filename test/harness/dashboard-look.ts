// Dashboards as a visitor sees them: their JSON in a page of the tests' own, drawn in Chromium from what Prometheus answers. Grafana itself is
// not to be had from Debian. Knows the page's two halves; nothing of what is measured.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { transformSync } from 'esbuild'
import { type Look, type LookOptions, look } from './chromium.ts'
import type { Given, Seen } from './dashboard-page.ts'
import { type Dashboard, filled } from './dashboards.ts'
import type { Prometheus } from './prometheus.ts'
import type { Undo } from './undo.ts'

const PAGE = join(import.meta.dirname, 'dashboard-page.ts')
const SPAN_S = 120
const STEP_S = 1
const STYLE = `body { font: 12px sans-serif } main { display: grid; grid-template-columns: repeat(24, 1fr); gap: 8px }
h2, h3 { grid-column: span 24; margin: 8px 0 0 } h4 { margin: 0 } section { border: 1px solid #ccc; padding: 6px; overflow: hidden }
svg { width: 100% } polyline, line { fill: none; stroke-width: 1.5; stroke: #36c } text { font-size: 7px; text-anchor: middle } b { font-size: 28px }`

export interface SeenDashboards extends Look {
  readonly panels: readonly Seen[]
}

/** The last two minutes, with nothing chosen. */
export async function seenIn(
  undo: Undo,
  prometheus: Prometheus,
  dashboards: readonly Dashboard[],
  options: LookOptions = {},
): Promise<SeenDashboards> {
  const folder = mkdtempSync(join(tmpdir(), 'orb8-test-page-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  undo.add({ gently: remove, atOnce: remove })
  const to = Math.floor(Date.now() / 1000)
  const given: Given = {
    dashboards: JSON.parse(JSON.stringify(dashboards), (key, value) => (key === 'expr' ? filled(value) : value)) as Given['dashboards'],
    prometheus: `http://127.0.0.1:${prometheus.port}`,
    from: to - SPAN_S,
    to,
    step: STEP_S,
  }
  const script = transformSync(readFileSync(PAGE, 'utf8'), { loader: 'ts', target: 'es2024' }).code
  const data = JSON.stringify(given).replaceAll('<', '\\u003c')
  const path = join(folder, 'index.html')
  writeFileSync(
    path,
    `<!DOCTYPE html><meta charset="utf-8"><title>Dashboards</title><style>${STYLE}</style><main id="page"></main>
<script type="application/json" id="given">${data}</script><script type="application/json" id="seen"></script><script type="module">${script}</script>`,
  )
  const seen = await look(undo, `file://${path}`, options)
  const [, json = ''] = /<script type="application\/json" id="seen">([\s\S]*?)<\/script>/.exec(seen.dom) ?? []
  if (json === '') throw new Error(`nothing was drawn: ${seen.console.join('\n')}`)
  return { ...seen, panels: JSON.parse(json) as Seen[] }
}

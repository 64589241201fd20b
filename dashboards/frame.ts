// What all dashboards share: identity, variables, links to each other, and the order in which panels come. Knows no metric.
import type { Builder } from '@grafana/grafana-foundation-sdk/cog'
import {
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  type Panel,
  RowBuilder,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { VARIABLES, type VariableName } from './variables.ts'

/** Part of every link and of the files' names: never changed. */
export const UID = {
  cluster: 'orb8-cluster',
  pod: 'orb8-pod',
  serviceMap: 'orb8-service-map',
  gpu: 'orb8-gpu',
  exporter: 'orb8-exporter',
} as const

const TAG = 'orb8'

export interface Frame {
  readonly uid: string
  readonly title: string
  readonly description: string
  readonly variables: readonly VariableName[]
  readonly rows: readonly { readonly title: string; readonly panels: readonly Builder<Panel>[] }[]
}

/**
 * In Grafana's classic schema, which every version since 10 takes by file, by API and by the sidecar; the newer one is for the newest only.
 * Throws where panels do not fill their lines: the next ones would stand askew.
 */
export function dashboard({ uid, title, description, variables, rows }: Frame): Dashboard {
  const built = new DashboardBuilder(`orb8 / ${title}`)
    .uid(uid)
    .description(description)
    .tags([TAG])
    .editable()
    .tooltip(DashboardCursorSync.Crosshair)
    .time({ from: 'now-1h', to: 'now' })
    .refresh('1m')
    .timezone('browser')
    .link(new DashboardLinkBuilder('orb8').type(DashboardLinkType.Dashboards).tags([TAG]).asDropdown(true).includeVars(true).keepTime(true))
    .variables([VARIABLES.datasource, ...variables.map((name) => VARIABLES[name])])
  for (const row of rows) {
    built.withRow(new RowBuilder(row.title))
    for (const panel of row.panels) built.withPanel(panel)
  }
  const made = built.build()
  for (const [index, panel] of (made.panels ?? []).entries()) panel.id = index + 1
  // The SDK's default hides it in a menu.
  for (const link of made.links ?? []) delete link.placement
  assertAligned(made)
  return made
}

function assertAligned({ title, panels = [] }: Dashboard): void {
  let filled = 0
  for (const panel of panels) {
    if (panel.type === 'row' && filled % GRID !== 0) throw new Error(`${title}: a line before the row ${panel.title} is not full`)
    filled = panel.type === 'row' ? 0 : filled + (panel.gridPos?.w ?? 0)
  }
  if (filled % GRID !== 0) throw new Error(`${title}: its last line is not full`)
}

const GRID = 24

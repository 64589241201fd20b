// The dashboards as committed, as far as tests read them.
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './rules.ts'

export interface Target {
  readonly refId: string
  readonly expr: string
  readonly legendFormat?: string
}

export interface Panel {
  readonly type: string
  readonly title: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets?: readonly Target[]
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string }; readonly overrides: readonly unknown[] }
  readonly options?: { readonly nodes?: { readonly mainStatUnit?: string }; readonly yAxis?: { readonly unit?: string } }
}

export interface Dashboard {
  readonly uid: string
  readonly title: string
  readonly tags: readonly string[]
  readonly links: readonly { readonly tags: readonly string[]; readonly includeVars: boolean; readonly keepTime: boolean }[]
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: { readonly query: string } | string }[] }
  readonly panels: readonly Panel[]
}

export const DASHBOARDS: readonly Dashboard[] = globSync('dashboards/json/*.json', { cwd: ROOT })
  .sort()
  .map((path) => JSON.parse(readFileSync(join(ROOT, path), 'utf8')) as Dashboard)

export const queriesOf = ({ panels }: Dashboard): { panel: Panel; target: Target }[] =>
  panels.flatMap((panel) => (panel.targets ?? []).map((target) => ({ panel, target })))

/** As Grafana fills it in where a user has chosen nothing. */
export const filled = (expr: string): string =>
  expr.replaceAll('$__rate_interval', '5m').replaceAll(/\$(cluster|namespace|workload|pod|instance)\b/g, '.*')

// Panels of the few kinds that the dashboards use, with the looks that all share. Knows Grafana; no metric.
import type { Builder } from '@grafana/grafana-foundation-sdk/cog'
import {
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  StackingConfigBuilder,
  StackingMode,
  TableSortByFieldStateBuilder,
  TooltipDisplayMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common'
import { type DynamicConfigValue, type Panel, ThresholdsConfigBuilder, ThresholdsMode } from '@grafana/grafana-foundation-sdk/dashboard'
import { PanelBuilder as HeatmapBuilder } from '@grafana/grafana-foundation-sdk/heatmap'
import { EdgeOptionsBuilder, PanelBuilder as NodeGraphBuilder, NodeOptionsBuilder } from '@grafana/grafana-foundation-sdk/nodegraph'
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus'
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat'
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table'
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries'
import { DATASOURCE } from './variables.ts'

/** Grafana's names of units. */
export const UNIT = {
  bytes: 'bytes',
  bytesPerSecond: 'binBps',
  packetsPerSecond: 'pps',
  perSecond: 'ops',
  ratio: 'percentunit',
  seconds: 's',
  cores: 'none',
  count: 'short',
  watts: 'watt',
  celsius: 'celsius',
} as const
export type Unit = (typeof UNIT)[keyof typeof UNIT]

export interface Query {
  readonly expr: string
  /** `{{label}}` stands for its value. */
  readonly legend?: string
  readonly refId?: string
}

/** Of Grafana's 24 columns; height in its rows. */
interface Place {
  readonly span?: number
  readonly height?: number
  readonly description?: string
}

interface SeriesOptions extends Place {
  readonly stacked?: boolean
  /** 0 to `max`, where the unit has an end. */
  readonly max?: number
}

const letter = (index: number): string => String.fromCharCode(65 + index)

function ranged({ expr, legend = '', refId }: Query, index: number): DataqueryBuilder {
  return new DataqueryBuilder()
    .expr(expr)
    .legendFormat(legend)
    .range()
    .refId(refId ?? letter(index))
}

function instant({ expr, refId }: Query, index: number): DataqueryBuilder {
  return new DataqueryBuilder()
    .expr(expr)
    .instant()
    .format(PromQueryFormat.Table)
    .refId(refId ?? letter(index))
}

/** Lines over time. */
export function series(title: string, unit: Unit, queries: readonly Query[], options: SeriesOptions = {}): Builder<Panel> {
  const panel = new TimeseriesBuilder()
    .title(title)
    .datasource(DATASOURCE)
    .unit(unit)
    .min(0)
    .span(options.span ?? 12)
    .height(options.height ?? 8)
    .lineWidth(1)
    .fillOpacity(options.stacked === true ? 30 : 10)
    .legend(new VizLegendOptionsBuilder().displayMode(LegendDisplayMode.List).placement(LegendPlacement.Bottom).showLegend(true).calcs([]))
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi))
    .targets(queries.map(ranged))
  if (options.stacked === true) panel.stacking(new StackingConfigBuilder().mode(StackingMode.Normal).group('A'))
  if (options.max !== undefined) panel.max(options.max)
  if (options.description !== undefined) panel.description(options.description)
  return panel
}

interface StatOptions extends Place {
  /** From here on in orange; from the second on in red. */
  readonly limits?: readonly [number, number]
  /** The same where less is worse. */
  readonly floors?: readonly [number, number]
  readonly decimals?: number
}

/** One number now, with its line behind it. */
export function stat(title: string, unit: Unit, query: Query, options: StatOptions = {}): Builder<Panel> {
  const panel = new StatBuilder()
    .title(title)
    .datasource(DATASOURCE)
    .unit(unit)
    .span(options.span ?? 4)
    .height(options.height ?? 4)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .thresholds(new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps(options)))
    .targets([ranged(query, 0)])
  if (options.decimals !== undefined) panel.decimals(options.decimals)
  if (options.description !== undefined) panel.description(options.description)
  return panel
}

function steps({ limits, floors }: StatOptions): { value: number | null; color: string }[] {
  if (limits !== undefined) {
    return [
      { value: null, color: 'green' },
      { value: limits[0], color: 'orange' },
      { value: limits[1], color: 'red' },
    ]
  }
  if (floors !== undefined) {
    return [
      { value: null, color: 'red' },
      { value: floors[1], color: 'orange' },
      { value: floors[0], color: 'green' },
    ]
  }
  return [{ value: null, color: 'blue' }]
}

/** How much falls into each bucket, over time; the query keeps `le`. */
export function heatmap(title: string, unit: Unit, expr: string, { span = 12, height = 8, description }: Place = {}): Builder<Panel> {
  const query = ranged({ expr, legend: '{{le}}' }, 0).format(PromQueryFormat.Heatmap)
  const panel = new HeatmapBuilder().title(title).datasource(DATASOURCE).span(span).height(height).targets([query])
  panel.yAxis({ build: () => ({ unit }) })
  if (description !== undefined) panel.description(description)
  return panel
}

export interface TableColumn {
  /** The last word of what `merge` makes of a query: its refId. */
  readonly refId: string
  readonly title: string
  readonly unit: Unit
}

interface TableOptions extends Place {
  /** Labels, in the order of their columns; Prometheus has them by the alphabet. */
  readonly labels: readonly string[]
  readonly columns: readonly TableColumn[]
  /** A dashboard to go to from each row, with the row's labels: variable to field. */
  readonly link?: { readonly title: string; readonly uid: string; readonly fields: Readonly<Record<string, string>> }
}

/** One row for each set of labels, one column for each query; sorted by the first of them. */
export function table(title: string, queries: readonly Query[], options: TableOptions): Builder<Panel> {
  const single = queries.length === 1
  const fieldOf = ({ refId }: TableColumn): string => (single ? 'Value' : `Value #${refId}`)
  const panel = new TableBuilder()
    .title(title)
    .datasource(DATASOURCE)
    .span(options.span ?? 12)
    .height(options.height ?? 9)
    .targets(queries.map(instant))
    .transformations([
      ...(single ? [] : [{ id: 'merge', options: {} }]),
      { id: 'organize', options: { excludeByName: { Time: true }, indexByName: places(options.labels), renameByName: {} } },
    ])
  for (const column of options.columns) {
    panel.overrideByName(fieldOf(column), [
      { id: 'displayName', value: column.title },
      { id: 'unit', value: column.unit },
    ])
  }
  const [first] = options.columns
  if (first !== undefined) panel.sortBy([new TableSortByFieldStateBuilder().displayName(first.title).desc(true)])
  if (options.link !== undefined) panel.overrideByRegexp(`/^(${Object.values(options.link.fields).join('|')})$/`, linkTo(options.link))
  if (options.description !== undefined) panel.description(options.description)
  return panel
}

/** What has no place comes after what has one. */
const places = (names: readonly string[]): Record<string, number> => Object.fromEntries(names.map((name, index) => [name, index]))

function linkTo({ title, uid, fields }: NonNullable<TableOptions['link']>): DynamicConfigValue[] {
  const variables = Object.entries(fields).map(([variable, field]) => `var-${variable}=\${__data.fields["${field}"]:percentencode}`)
  const url = `/d/${uid}?${['${datasource:queryparam}', '${__url_time_range}', ...variables].join('&')}`
  return [{ id: 'links', value: [{ title, url, targetBlank: false }] }]
}

/** Rows and columns of one query, by two of its labels. */
export function matrix(
  title: string,
  expr: string,
  { row, column, unit, ...place }: Place & { readonly row: string; readonly column: string; readonly unit: Unit },
): Builder<Panel> {
  const panel = new TableBuilder()
    .title(title)
    .datasource(DATASOURCE)
    .unit(unit)
    .span(place.span ?? 12)
    .height(place.height ?? 9)
    .targets([instant({ expr }, 0)])
    .transformations([{ id: 'groupingToMatrix', options: { rowField: row, columnField: column, valueField: 'Value' } }])
  if (place.description !== undefined) panel.description(place.description)
  return panel
}

/** `nodes` has the labels id, title and subtitle, `edges` id, source and target; their values are shown. */
export function nodeGraph(
  title: string,
  { nodes, edges }: { nodes: string; edges: string },
  unit: Unit,
  place: Place = {},
): Builder<Panel> {
  const panel = new NodeGraphBuilder()
    .title(title)
    .datasource(DATASOURCE)
    .span(place.span ?? 24)
    .height(place.height ?? 18)
    .nodes(new NodeOptionsBuilder().mainStatUnit(unit))
    .edges(new EdgeOptionsBuilder().mainStatUnit(unit))
    .targets([instant({ expr: nodes, refId: 'nodes' }, 0), instant({ expr: edges, refId: 'edges' }, 1)])
    .transformations([
      {
        id: 'organize',
        options: {
          excludeByName: { Time: true },
          indexByName: {},
          renameByName: { 'Value #nodes': 'mainstat', 'Value #edges': 'mainstat' },
        },
      },
    ])
  if (place.description !== undefined) panel.description(place.description)
  return panel
}

// Draws the panels of dashboards from what Prometheus answers to their queries. Runs in a browser, inside the page that dashboard-look.ts
// writes; knows Grafana's JSON as far as ours goes, and nothing of what is measured.
interface Rect {
  readonly width: number
  readonly height: number
}
interface PageElement {
  innerHTML: string
  readonly textContent: string
  getBoundingClientRect(): Rect
  querySelectorAll(selector: string): Iterable<PageElement>
}
declare const document: { getElementById(id: string): PageElement }

interface Target {
  readonly refId: string
  readonly expr: string
  readonly legendFormat?: string
  readonly instant?: boolean
}
interface Override {
  readonly matcher: { readonly id: string; readonly options: string }
  readonly properties: readonly { readonly id: string; readonly value: unknown }[]
}
interface Transformation {
  readonly rowField?: string
  readonly columnField?: string
  readonly indexByName?: Readonly<Record<string, number>>
}
interface Panel {
  readonly type: string
  readonly title: string
  readonly gridPos: { readonly w: number }
  readonly targets?: readonly Target[]
  readonly options?: { readonly nodes?: { readonly mainStatUnit?: string }; readonly yAxis?: { readonly unit?: string } }
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string; readonly max?: number }; readonly overrides: readonly Override[] }
  readonly transformations?: readonly { readonly id: string; readonly options: Transformation }[]
}
interface Given {
  readonly dashboards: readonly { readonly uid: string; readonly title: string; readonly panels: readonly Panel[] }[]
  readonly prometheus: string
  readonly from: number
  readonly to: number
  readonly step: number
}
interface Series {
  readonly refId: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** Time and value. NaN is left out: Grafana draws a gap there. */
  readonly points: readonly (readonly [number, number])[]
}
/** What a visitor sees of a panel. */
interface Seen {
  /** `uid: title` */
  readonly name: string
  readonly texts: string
  /** Numbers that were drawn. */
  readonly values: number
  /** The largest of them. */
  readonly most: number
  /** Of the lines, circles, cells or figures, in pixels. */
  readonly drawn: readonly Rect[]
}

const given = JSON.parse(document.getElementById('given').textContent) as Given
const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')

const SCALES: Readonly<Record<string, readonly [factor: number, suffix: string, steps: number]>> = {
  bytes: [1, 'B', 1024],
  binBps: [1, 'B/s', 1024],
  pps: [1, 'p/s', 1000],
  ops: [1, '/s', 1000],
  percentunit: [100, '%', 0],
  s: [1, 's', 1000],
  none: [1, '', 1000],
  short: [1, '', 1000],
  watt: [1, 'W', 1000],
  celsius: [1, '°C', 0],
}

function human(value: number, unit = ''): string {
  const scale = SCALES[unit]
  if (scale === undefined) throw new Error(`no such unit: ${unit}`)
  const [factor, suffix, steps] = scale
  let [scaled, prefix] = [value * factor, '']
  for (const next of ['k', 'M', 'G', 'T']) {
    if (steps === 0 || Math.abs(scaled) < steps) break
    ;[scaled, prefix] = [scaled / steps, next]
  }
  return `${Number(scaled.toPrecision(4))} ${prefix}${suffix}`.trim()
}

async function ask({ expr, refId, legendFormat = '', instant = false }: Target): Promise<Series[]> {
  const range = { start: String(given.from), end: String(given.to), step: String(given.step) }
  const query = new URLSearchParams({ query: expr, ...(instant ? { time: String(given.to) } : range) })
  const answer = await fetch(`${given.prometheus}/api/v1/${instant ? 'query' : 'query_range'}?${query}`)
  const { data, error } = (await answer.json()) as {
    readonly error?: string
    readonly data?: {
      readonly result: readonly {
        readonly metric: Readonly<Record<string, string>>
        readonly value?: readonly [number, string]
        readonly values?: readonly (readonly [number, string])[]
      }[]
    }
  }
  if (data === undefined) throw new Error(error)
  return data.result.map(({ metric, value, values = value === undefined ? [] : [value] }) => ({
    refId,
    name: legendFormat.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => metric[label] ?? ''),
    labels: metric,
    points: values.map(([time, text]) => [time, Number(text)] as const).filter(([, number]) => Number.isFinite(number)),
  }))
}

const SIZE = [480, 120] as const
const last = ({ points }: Series): number => points.at(-1)?.[1] ?? 0
const svg = (inside: string): string => `<svg viewBox="0 0 ${SIZE[0]} ${SIZE[1]}">${inside}</svg>`
const at = (time: number): number => ((time - given.from) / (given.to - given.from)) * SIZE[0]

function lines(series: readonly Series[], { defaults: { unit, max } }: NonNullable<Panel['fieldConfig']>): string {
  const most = max ?? Math.max(...series.flatMap(({ points }) => points.map(([, value]) => value)), Number.MIN_VALUE)
  const paths = series.map(({ points }, index) => {
    const places = points.map(([time, value]) => `${at(time).toFixed(1)},${(SIZE[1] - (value / most) * (SIZE[1] - 8) - 4).toFixed(1)}`)
    return `<polyline class="drawn" points="${places.join(' ')}" stroke="hsl(${(index * 47) % 360} 65% 45%)"/>`
  })
  return `${svg(paths.join(''))}<p>${series.map((one) => escaped(`${one.name}: ${human(last(one), unit)}`)).join(' · ')}</p>`
}

/** A row for each bucket: how much is in it that is not in the one below. */
function heat(series: readonly Series[], unit: string | undefined): string {
  const buckets = series.toSorted(
    (a, b) => Number(a.labels.le?.replace('+Inf', 'Infinity')) - Number(b.labels.le?.replace('+Inf', 'Infinity')),
  )
  const height = SIZE[1] / buckets.length
  const cells = buckets.flatMap(({ points }, row) =>
    points.map(([time, value]) => {
      const below = row === 0 ? 0 : (buckets[row - 1]?.points.find(([other]) => other === time)?.[1] ?? 0)
      const place = `x="${at(time)}" y="${SIZE[1] - height * (row + 1)}" width="9" height="${height}"`
      return value - below > 0 ? `<rect class="drawn" ${place} opacity="${Math.min(1, 0.2 + value - below)}"/>` : ''
    }),
  )
  const named = buckets.map(({ labels: { le = '' } }) => (le === '+Inf' ? le : human(Number(le), unit)))
  return `${svg(cells.join(''))}<p>${named.join(' · ')}</p>`
}

function graph(series: readonly Series[], unit: string | undefined): string {
  const nodes = series.filter(({ refId }) => refId === 'nodes')
  const place = (id = ''): readonly [number, number] => {
    const turn = (nodes.findIndex(({ labels }) => labels.id === id) / nodes.length) * 2 * Math.PI
    return [SIZE[0] / 2 + 180 * Math.cos(turn), SIZE[1] / 2 + 48 * Math.sin(turn)]
  }
  const edges = series.filter(({ refId }) => refId === 'edges')
  const arrows = edges.map(({ labels: { source, target } }) => {
    const [[x1, y1], [x2, y2]] = [place(source), place(target)]
    return `<line class="drawn" x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}"/>`
  })
  const circles = nodes.map((one) => {
    const [x, y] = place(one.labels.id)
    const { title = '', subtitle = '' } = one.labels
    return `<circle class="drawn" cx="${x}" cy="${y}" r="5"/><text x="${x}" y="${y - 7}">${escaped(`${subtitle} ${title} ${human(last(one), unit)}`)}</text>`
  })
  return svg(`${arrows.join('')}${circles.join('')}`)
}

function row(cells: readonly string[], tag = 'td'): string {
  return `<tr>${cells.map((cell) => `<${tag}>${cell}</${tag}>`).join('')}</tr>`
}

const same = (labels: Series['labels']): string => JSON.stringify(Object.entries(labels).sort())

/** One row for each set of labels, one column for each query, as `merge` makes them; links as the overrides have them. */
function table(series: readonly Series[], { targets = [], fieldConfig, transformations = [] }: Panel): string {
  const place = Object.assign({}, ...transformations.map(({ options }) => options.indexByName)) as Record<string, number>
  const names = [...new Set(series.flatMap(({ labels }) => Object.keys(labels)))]
    .filter((name) => name !== '__name__')
    .sort((a, b) => (place[a] ?? 99) - (place[b] ?? 99))
  const overrides = fieldConfig?.overrides ?? []
  const property = (matching: (override: Override) => boolean, id: string): unknown =>
    overrides.filter(matching).flatMap(({ properties }) => properties.filter((one) => one.id === id))[0]?.value
  const columns = targets.map(({ refId }) => {
    const field = targets.length === 1 ? 'Value' : `Value #${refId}`
    const ofField = ({ matcher }: Override): boolean => matcher.id === 'byName' && matcher.options === field
    return { refId, title: String(property(ofField, 'displayName')), unit: String(property(ofField, 'unit')) }
  })
  const rows = Map.groupBy(series, ({ labels }) => same(labels))
  const linked = (name: string, labels: Series['labels']): string => {
    const ofName = ({ matcher }: Override): boolean => matcher.id === 'byRegexp' && new RegExp(matcher.options.slice(1, -1)).test(name)
    const [link] = (property(ofName, 'links') ?? []) as { readonly url: string }[]
    const text = escaped(labels[name] ?? '')
    if (link === undefined) return text
    const url = link.url.replaceAll(/\$\{__data\.fields\["(\w+)"\]:percentencode\}/g, (_, field: string) =>
      encodeURIComponent(labels[field] ?? ''),
    )
    return `<a href="${escaped(url)}">${text}</a>`
  }
  const body = [...rows.values()].map((group) => {
    const labels = group[0]?.labels ?? {}
    const numbers = columns.map(({ refId, unit }) => {
      const one = group.find((each) => each.refId === refId)
      return one === undefined ? '' : `<span class="drawn">${human(last(one), unit)}</span>`
    })
    return row([...names.map((name) => linked(name, labels)), ...numbers])
  })
  return `<table>${row([...names, ...columns.map(({ title }) => title)], 'th')}${body.join('')}</table>`
}

function matrix(series: readonly Series[], { rowField = '', columnField = '' }: Transformation, unit = ''): string {
  const columns = [...new Set(series.map(({ labels }) => labels[columnField] ?? ''))]
  const rows = Map.groupBy(series, ({ labels }) => labels[rowField] ?? '')
  const body = [...rows].map(([name, group]) => {
    const cells = columns.map((column) => group.find(({ labels }) => (labels[columnField] ?? '') === column))
    return row([escaped(name), ...cells.map((one) => (one === undefined ? '' : `<span class="drawn">${human(last(one), unit)}</span>`))])
  })
  return `<table>${row(['', ...columns.map(escaped)], 'th')}${body.join('')}</table>`
}

function drawn(panel: Panel, series: readonly Series[]): string {
  const { type, fieldConfig = { defaults: {}, overrides: [] }, options, transformations = [] } = panel
  const unit = fieldConfig.defaults.unit
  if (series.length === 0) return '<p>No data</p>'
  if (type === 'timeseries') return lines(series, fieldConfig)
  if (type === 'stat') return series.map((one) => `<b class="drawn">${human(last(one), unit)}</b>`).join('')
  if (type === 'heatmap') return heat(series, options?.yAxis?.unit)
  if (type === 'nodeGraph') return graph(series, options?.nodes?.mainStatUnit)
  const grouping = transformations.find(({ id }) => id === 'groupingToMatrix')
  if (type === 'table') return grouping === undefined ? table(series, panel) : matrix(series, grouping.options, unit)
  throw new Error(`no such panel: ${type}`)
}

/** What stands on the page: a heading, or a panel with its data. */
interface Part {
  readonly name: string
  readonly html: string
  /** Undefined: a heading. */
  readonly values?: readonly number[]
}

async function part(uid: string, panel: Panel): Promise<Part> {
  const { title, targets, gridPos } = panel
  const name = `${uid}: ${title}`
  if (targets === undefined) return { name, html: `<h3>${escaped(title)}</h3>` }
  const answers = await Promise.all(targets.map(ask))
  const series = answers.flat().filter(({ points }) => points.length > 0)
  const html = `<section style="grid-column: span ${gridPos.w}"><h4>${escaped(title)}</h4>${drawn(panel, series)}</section>`
  return { name, html, values: series.flatMap(({ points }) => points.map(([, value]) => value)) }
}

const parts = await Promise.all(
  given.dashboards.flatMap(({ uid, title, panels }): (Part | Promise<Part>)[] => [
    { name: uid, html: `<h2>${escaped(title)}</h2>` },
    ...panels.map((panel) => part(uid, panel)),
  ]),
)
const page = document.getElementById('page')
page.innerHTML = parts.map(({ html }) => html).join('')
const sections = [...page.querySelectorAll('section')]
const seen = parts
  .filter(({ values }) => values !== undefined)
  .map(({ name, values = [] }, index): Seen => {
    const section = sections[index]
    const shapes = [...(section?.querySelectorAll('.drawn') ?? [])].map((shape) => shape.getBoundingClientRect())
    return {
      name,
      texts: section?.textContent ?? '',
      values: values.length,
      most: Math.max(0, ...values),
      drawn: shapes.map(({ width, height }) => ({ width, height })),
    }
  })
document.getElementById('seen').innerHTML = JSON.stringify(seen).replaceAll('<', '\\u003c')

export type { Given, Seen }

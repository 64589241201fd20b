// The sample of a collector turns what is pushed into what /metrics says: its statements, carried out on the attributes of every metric, and
// its exporter's way with names. Written by OpenTelemetry's description of both; the collector itself is not to be had here.
import { join } from 'node:path'
import t from 'tap'
import { ALL_METRICS } from '../../src/metrics.ts'
import { attributeOf, instrumentOf } from '../../src/publish/otlp/names.ts'
import { readYaml } from '../harness/rules.ts'

interface Sample {
  readonly processors: {
    readonly 'transform/labels': {
      readonly metric_statements: readonly { readonly context: string; readonly statements: readonly string[] }[]
    }
  }
  readonly exporters: {
    readonly prometheusremotewrite: {
      readonly add_metric_suffixes: boolean
      readonly resource_to_telemetry_conversion: { readonly enabled: boolean }
    }
  }
  readonly service: {
    readonly pipelines: { readonly metrics: { readonly processors: readonly string[]; readonly exporters: readonly string[] } }
  }
}

const sample = readYaml(join('docs', 'examples', 'otel-collector.yaml')) as Sample
const { metric_statements } = sample.processors['transform/labels']
const statements = metric_statements.flatMap((each) => each.statements)

type Attributes = Map<string, unknown>

const unquoted = (text = ''): string => JSON.parse(`"${text}"`) as string

/** The few forms of OTTL that the sample has. Throws for any other. */
function carryOut(statement: string, attributes: Attributes, resource: Attributes): void {
  const [, name, source, from] =
    /^set\(attributes\["([^"]+)"\], (resource\.)?attributes\["([^"]+)"\]\) where \2?attributes\["\3"\] != nil$/.exec(statement) ?? []
  if (name !== undefined && from !== undefined) {
    const value = (source === undefined ? attributes : resource).get(from)
    if (value !== undefined) attributes.set(name, value)
    return
  }
  const [, fixed, value, where, wanted] =
    /^set\(attributes\["([^"]+)"\], "([^"]*)"\) where attributes\["([^"]+)"\] == "([^"]*)"$/.exec(statement) ?? []
  if (fixed !== undefined && where !== undefined) {
    if (attributes.get(where) === wanted) attributes.set(fixed, value)
    return
  }
  const [, gone] = /^delete_matching_keys\(attributes, "(.*)"\)$/.exec(statement) ?? []
  if (gone !== undefined) {
    for (const key of [...attributes.keys()]) if (new RegExp(unquoted(gone)).test(key)) attributes.delete(key)
    return
  }
  const [, pattern, by] = /^replace_all_patterns\(attributes, "key", "(.*)", "(.*)"\)$/.exec(statement) ?? []
  if (pattern === undefined || by === undefined) throw new Error(`no such statement: ${statement}`)
  const renamed = [...attributes].map(([key, held]) => [key.replaceAll(new RegExp(unquoted(pattern), 'g'), by), held] as const)
  attributes.clear()
  for (const [key, held] of renamed) attributes.set(key, held)
}

/** Labels cannot have dots. */
function labelsOf(attributes: Attributes, resource: Attributes = new Map()): Record<string, string> {
  for (const statement of statements) carryOut(statement, attributes, resource)
  return Object.fromEntries([...attributes].map(([key, value]) => [key.replaceAll('.', '_'), String(value)]))
}

const UNITS: Readonly<Record<string, string>> = {
  'By/s': 'bytes_per_second',
  By: 'bytes',
  s: 'seconds',
  Cel: 'celsius',
  W: 'watts',
  J: 'joules',
  Hz: 'hertz',
}

/** With `add_metric_suffixes`: a unit that the name does not say yet, `ratio` for gauges of 1, `total` for sums. */
function seriesName({ name, unit }: { readonly name: string; readonly unit: string }, type: string): string {
  const words = name.split('.')
  for (const word of (UNITS[unit] ?? '').split('_')) if (word !== '' && !words.includes(word)) words.push(word)
  if (unit === '1' && type === 'gauge') words.push('ratio')
  if (type === 'counter') words.push('total')
  return words.join('_')
}

/** From a label's name, with the metric's, since some labels mean different things. */
const attributeFor: (label: string, value: string, metric: string) => ReturnType<typeof attributeOf> = attributeOf

t.test('the statements and the exporter are in the way that metrics take', async (t) => {
  t.same(
    metric_statements.map(({ context }) => context),
    ['datapoint'],
  )
  const { processors, exporters } = sample.service.pipelines.metrics
  t.same([processors, exporters], [['memory_limiter', 'transform/labels'], ['prometheusremotewrite']])
  t.match(sample.exporters.prometheusremotewrite, { add_metric_suffixes: true, resource_to_telemetry_conversion: { enabled: false } })
})

t.test('every label of every metric comes out as /metrics has it', async (t) => {
  for (const { name, labels } of ALL_METRICS) {
    const wanted = Object.fromEntries(
      labels.map((label) => [label, label === 'direction' ? 'egress' : label === 'port' ? '5432' : `its ${label}`]),
    )
    const attributes = new Map(
      Object.entries(wanted).flatMap(([label, value]) => [attributeFor(label, value, name) ?? []] as [string, unknown][]),
    )
    t.same(labelsOf(attributes), wanted, name)
  }
  t.same(labelsOf(new Map([['network.io.direction', 'receive']])), { direction: 'ingress' })
})

t.test('node and cluster come from the resource, where it has them', async (t) => {
  const resource = new Map([
    ['k8s.node.name', 'node-a'],
    ['k8s.cluster.name', 'blue'],
    ['service.name', 'orb8'],
  ])
  t.same(labelsOf(new Map([['orb8.role', 'client']]), resource), { cluster: 'blue', node: 'node-a', role: 'client' })
  t.same(labelsOf(new Map([['orb8.role', 'client']])), { role: 'client' })
})

t.test('every metric comes out under the name that /metrics has', async (t) => {
  for (const metric of ALL_METRICS) t.equal(seriesName(instrumentOf(metric), metric.type), metric.name)
})

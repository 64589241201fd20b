import { execFileSync } from 'node:child_process'
import t from 'tap'
import { DEVICE_METRICS } from '../../src/metrics.ts'
import type { SeriesTable, Snapshot } from '../../src/model.ts'
import { encode, type Family, type Format, PAGE_BYTES } from '../../src/publish/text.ts'
import { readOpenMetrics, readPrometheus } from './exposition.ts'
import { dropsOf, EXAMPLE, FLOW_COLUMNS, failuresOf, manyFlows, snapshotOf, timesOf } from './snapshots.ts'

const HOSTILE = 'a "quote", a \\ backslash, a \nnew line, \\n, a } brace, \r, \t, é, 漢字, 🦀, "} 1\nfake_total 5'

function pagesOf(snapshot: Snapshot | undefined, families: readonly Family[] = [], format: Format = 'prometheus'): Buffer[] {
  return [...encode(snapshot, families, format, (bytes) => Buffer.alloc(bytes))]
}

function textOf(...parameters: Parameters<typeof pagesOf>): string {
  return Buffer.concat(pagesOf(...parameters)).toString()
}

const HISTOGRAM: Family = {
  name: 'x_seconds',
  type: 'histogram',
  unit: 's',
  help: 'A "quoted" help with \\ and\na second line.',
  samples: [
    { suffix: '_bucket', labels: { le: 0.5 }, value: 1 },
    { suffix: '_bucket', labels: { le: 1 }, value: 2 },
    { suffix: '_bucket', labels: { le: '+Inf' }, value: 3 },
    { suffix: '_sum', labels: {}, value: 1.25 },
    { suffix: '_count', labels: {}, value: 3 },
  ],
}

t.test('a flow is written to the letter', async (t) => {
  const one = snapshotOf([{ labels: EXAMPLE, values: [1, 2, 3, 4, 5, 6, 7, 8] }])
  const labels =
    'namespace="shop",pod="",container="",workload="checkout",workload_kind="Deployment",role="client",protocol="tcp",port="5432",' +
    'peer_kind="pod",peer_namespace="data",peer_workload="postgres",peer_zone="eu-1a"'
  const lines = textOf(one).split('\n')
  t.match(lines[0], /^# HELP orb8_flow_bytes_total Transport payload bytes/)
  t.equal(lines[1], '# TYPE orb8_flow_bytes_total counter')
  t.equal(lines[2], `orb8_flow_bytes_total{${labels},direction="egress"} 1`)
  t.equal(lines[3], `orb8_flow_bytes_total{${labels},direction="ingress"} 2`)
  t.match(lines[4], /^# HELP orb8_flow_packets_total/)
  t.ok(lines.includes(`orb8_active_flows{${labels}} 5`))
  const open = textOf(one, [], 'openmetrics').split('\n')
  t.equal(open[0], '# TYPE orb8_flow_bytes counter')
  t.equal(open[1], '# UNIT orb8_flow_bytes bytes')
  t.equal(open[3], `orb8_flow_bytes_total{${labels},direction="egress"} 1`)
})

t.test('failures and drops are written to the letter', async (t) => {
  const health = [
    failuresOf([{ labels: EXAMPLE, values: [1, 2, 3, 4, 5, 6] }]),
    dropsOf([{ labels: { ...EXAMPLE, pod: 'web-1' }, values: [7, 8] }]),
  ]
  const families = readPrometheus(textOf(snapshotOf([], { health })))
  t.same(
    families.get('orb8_tcp_connect_failures_total')?.samples.map(({ labels, value }) => [labels.reason, labels.port, labels.pod, value]),
    ['refused', 'timeout', 'unreachable', 'reset', 'aborted', 'other'].map((reason, index) => [reason, '5432', '', `${index + 1}`]),
  )
  const owner = 'namespace="shop",pod="web-1",container="",workload="checkout",workload_kind="Deployment"'
  const open = textOf(snapshotOf([], { health }), [], 'openmetrics').split('\n')
  t.ok(open.includes('# TYPE orb8_udp_receive_drops counter'))
  t.ok(open.includes(`orb8_tcp_listen_overflows_total{${owner}} 7`))
  t.ok(open.includes(`orb8_udp_receive_drops_total{${owner}} 8`))
})

t.test('a histogram is written to the letter: a row’s lines together, buckets adding up, bounds as Prometheus writes them', async (t) => {
  const values = [1, 0, 2, 0, 0, 0, 30, 0, 0, 0, 400, 5000, 1.25]
  const health = [timesOf(['client', 'server'].map((role) => ({ labels: { ...EXAMPLE, role }, values })))]
  const rows = ['client', 'server'].flatMap((role) => {
    const labels = `namespace="shop",pod="",container="",workload="checkout",workload_kind="Deployment",role="${role}",peer_kind="pod"`
    const bucket = (le: string, count: number) => `orb8_tcp_rtt_seconds_bucket{${labels},le="${le}"} ${count}`
    return [
      ...[bucket('1.6e-05', 1), bucket('6.4e-05', 1), bucket('0.000256', 3), bucket('0.001024', 3), bucket('0.004096', 3)],
      ...[bucket('0.016384', 3), bucket('0.065536', 33), bucket('0.262144', 33), bucket('1.048576', 33), bucket('4.194304', 33)],
      ...[bucket('16.777216', 433), bucket('+Inf', 5433)],
      `orb8_tcp_rtt_seconds_sum{${labels}} 1.25`,
      `orb8_tcp_rtt_seconds_count{${labels}} 5433`,
    ]
  })
  const text = textOf(snapshotOf([], { health })).split('\n')
  const from = text.indexOf('# TYPE orb8_tcp_rtt_seconds histogram')
  t.match(text[from - 1], /^# HELP orb8_tcp_rtt_seconds Smoothed round-trip time/)
  t.same(text.slice(from + 1), [...rows, ''])
  const open = textOf(snapshotOf([], { health }), [], 'openmetrics').split('\n')
  const start = open.indexOf('# TYPE orb8_tcp_rtt_seconds histogram')
  t.equal(open[start + 1], '# UNIT orb8_tcp_rtt_seconds seconds')
  t.same(open.slice(start + 3), [...rows, '# EOF', ''])
})

t.test('histograms are whole and in order wherever a page ends', async (t) => {
  const rows = Array.from({ length: 900 }, (_, index) => ({
    labels: { ...EXAMPLE, workload: `w${index}${'x'.repeat(index % 50)}` },
    values: [...Array.from({ length: 12 }, (_, bucket) => (index * bucket) % 7), index / 8],
  }))
  for (const format of ['prometheus', 'openmetrics'] as const) {
    const pages = pagesOf(snapshotOf([], { health: [timesOf(rows)] }), [], format)
    t.ok(pages.length > 8 && pages.every((page) => page.length > 0 && page.length <= PAGE_BYTES))
    const text = Buffer.concat(pages).toString()
    const { samples = [] } = (format === 'prometheus' ? readPrometheus(text) : readOpenMetrics(text)).get('orb8_tcp_rtt_seconds') ?? {}
    const expected = rows.flatMap(({ labels, values }) => {
      const sum = values.at(-1) ?? 0
      const counts = values.slice(0, -1).map((_, bucket) => values.slice(0, bucket + 1).reduce((total, count) => total + count, 0))
      return [...counts, sum, counts.at(-1) ?? 0].map((value) => `${labels.workload} ${value}`)
    })
    t.same(
      samples.map(({ labels, value }) => `${labels.workload} ${value}`),
      expected,
    )
    t.same(
      new Set(samples.slice(0, 14).map(({ name }) => name.replace('orb8_tcp_rtt_seconds', ''))),
      new Set(['_bucket', '_sum', '_count']),
    )
  }
})

t.test('a histogram’s line longer than a page', async (t) => {
  const long = 'x'.repeat(PAGE_BYTES + 17)
  const rows = ['a', long, 'b'].map((workload) => ({ labels: { workload }, values: [1] }))
  const { samples = [] } = readPrometheus(textOf(snapshotOf([], { health: [timesOf(rows)] }))).get('orb8_tcp_rtt_seconds') ?? {}
  t.same(
    samples.map(({ labels }) => labels.workload?.length),
    [1, long.length, 1].flatMap((length) => Array<number>(14).fill(length)),
  )
})

t.test('only TCP has connections', async (t) => {
  const families = readPrometheus(
    textOf(
      snapshotOf([
        { labels: { ...EXAMPLE, protocol: 'udp' }, values: [1] },
        { labels: EXAMPLE, values: [2] },
      ]),
    ),
  )
  t.equal(families.get('orb8_flow_bytes_total')?.samples.length, 4)
  t.same(
    families.get('orb8_active_flows')?.samples.map(({ labels }) => labels.protocol),
    ['tcp'],
  )
})

t.test('hostile label values come back as they were, in both formats', async (t) => {
  const one = snapshotOf([{ labels: { ...EXAMPLE, workload: HOSTILE, peer_workload: '\\' }, values: [1] }])
  for (const families of [readPrometheus(textOf(one)), readOpenMetrics(textOf(one, [], 'openmetrics'))]) {
    for (const { samples } of families.values()) t.ok(samples.length > 0 && samples.every(({ labels }) => labels.workload === HOSTILE))
  }
})

t.test('half a surrogate pair is written as valid UTF-8', async (t) => {
  const [page] = pagesOf(snapshotOf([{ labels: { ...EXAMPLE, workload: 'a\ud800b' }, values: [1] }]))
  t.match(new TextDecoder('utf-8', { fatal: true }).decode(page), 'workload="a\ufffdb"')
})

t.test('integers are exact up to 2^53, other numbers read back equal', async (t) => {
  const numbers = [
    ...Array.from({ length: 54 }, (_, bit) => [2 ** bit - 1, 2 ** bit, 2 ** bit + 1]).flat(),
    ...Array.from({ length: 16 }, (_, power) => [10 ** power - 1, 10 ** power, 10 ** power + 1]).flat(),
    ...[0.1, 1 / 3, 1e21, 1.5e300, 5e-324, -1, -1.5, -123456789012],
  ]
  const written = readPrometheus(
    textOf(snapshotOf(numbers.map((value, index) => ({ labels: { workload: String(index) }, values: [value] })))),
  )
  const values = written.get('orb8_active_flows')?.samples.map(({ value }) => value)
  t.same(values?.map(Number), numbers)
  for (const [index, value] of numbers.entries()) if (Number.isSafeInteger(value)) t.equal(values?.[index], BigInt(value).toString())
})

t.test('numbers that are none have the formats’ words', async (t) => {
  const samples = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map((value, id) => ({
    suffix: '',
    labels: { id },
    value,
  }))
  t.match(
    textOf(undefined, [{ name: 'x', type: 'gauge', unit: '', help: 'h', samples }]),
    'x{id="0"} NaN\nx{id="1"} +Inf\nx{id="2"} -Inf\n',
  )
})

t.test('families of other sources keep suffixes, bounds and help', async (t) => {
  const counter: Family = { name: 'x_total', type: 'counter', unit: '', help: 'h', samples: [{ suffix: '', labels: {}, value: 7 }] }
  const text = readPrometheus(textOf(undefined, [HISTOGRAM, counter]))
  t.equal(text.get('x_seconds')?.help, HISTOGRAM.help)
  t.same(
    text.get('x_seconds')?.samples.map(({ labels }) => labels.le),
    ['0.5', '1', '+Inf', undefined, undefined],
  )
  t.equal(text.get('x_total')?.samples[0]?.name, 'x_total')

  const open = readOpenMetrics(textOf(undefined, [HISTOGRAM, counter], 'openmetrics'))
  t.equal(open.get('x_seconds')?.help, HISTOGRAM.help)
  t.equal(open.get('x_seconds')?.unit, 'seconds')
  t.same(
    open.get('x_seconds')?.samples.map(({ labels }) => labels.le),
    ['0.5', '1.0', '+Inf', undefined, undefined],
  )
  t.equal(open.get('x')?.samples[0]?.name, 'x_total')
})

t.test('nothing collected is an empty text, and in OpenMetrics the end mark', async (t) => {
  t.equal(textOf(undefined), '')
  t.equal(textOf(undefined, [], 'openmetrics'), '# EOF\n')
})

t.test('many series come in pages of bounded size, whole and in order', async (t) => {
  const snapshot = manyFlows(3000)
  for (const format of ['prometheus', 'openmetrics'] as const) {
    const pages = pagesOf(snapshot, [HISTOGRAM], format)
    t.ok(pages.length > 10)
    t.ok(pages.every((page) => page.length > 0 && page.length <= PAGE_BYTES))
    const text = Buffer.concat(pages).toString()
    const families = format === 'prometheus' ? readPrometheus(text) : readOpenMetrics(text)
    for (const [column, name] of FLOW_COLUMNS.map(({ metric }) => metric.name).entries()) {
      const { samples = [] } = families.get(format === 'prometheus' ? name : name.replace(/_total$/, '')) ?? {}
      const ours = samples.filter(({ value }) => Number(value) % 100 === column)
      t.same(
        ours.map(({ labels, value }) => [labels.peer_workload, Number(value)]),
        Array.from({ length: 3000 }, (_, index) => [`peer-${index}`, index * 100 + column]),
      )
    }
  }
})

t.test('a line longer than a page, and texts that end where a page does', async (t) => {
  const long = 'x'.repeat(PAGE_BYTES + 17)
  const wide = readPrometheus(textOf(snapshotOf(['a', long, 'b'].map((workload) => ({ labels: { workload }, values: [1] })))))
  t.same(
    wide.get('orb8_active_flows')?.samples.map(({ labels }) => labels.workload?.length),
    [1, long.length, 1],
  )
  const family = (length: number): Family => ({ name: 'x', type: 'gauge', unit: '', help: 'h'.repeat(length), samples: [] })
  const around = textOf(undefined, [family(0)]).length
  for (const length of [PAGE_BYTES - 1, PAGE_BYTES, PAGE_BYTES + 1, 3 * PAGE_BYTES]) {
    const pages = pagesOf(undefined, [family(length - around)])
    t.equal(Buffer.concat(pages).length, length)
    t.ok(pages.every((page) => page.length > 0))
  }
})

t.test('the same rows in a later snapshot give the same labels and new numbers', async (t) => {
  const first = snapshotOf([{ labels: EXAMPLE, values: [1] }])
  const later = (table: SeriesTable): SeriesTable => ({ ...table, values: table.values.map((value) => value + 1) })
  const before = textOf(first)
  t.equal(textOf({ ...first, flows: later(first.flows), containers: later(first.containers) }), before.replaceAll('} 1\n', '} 2\n'))
})

t.test('promtool has no complaint about hostile values', async (t) => {
  const hostile = [HOSTILE, '\\', '"', '\n', '', ' ', '{', '}', '#', ',', '=']
  const rows = hostile.map((workload) => ({ labels: { ...EXAMPLE, workload }, values: [1] }))
  const text = textOf(snapshotOf(rows, { health: [failuresOf(rows), timesOf(rows), dropsOf(rows)] }), [HISTOGRAM])
  t.equal(execFileSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] }), '')
})

t.test('families of devices stand behind the flows, with every label and valid in both formats', async (t) => {
  const devices = DEVICE_METRICS.map((metric) => ({
    metric,
    samples: [HOSTILE, ''].map((of, index) => ({ labels: metric.labels.map(() => of), value: index + 0.5, startMs: 0 })),
  }))
  const one = { ...snapshotOf([{ labels: EXAMPLE, values: [1] }]), families: devices }
  const text = textOf(one, [HISTOGRAM])
  for (const families of [readPrometheus(text), readOpenMetrics(textOf(one, [HISTOGRAM], 'openmetrics'))]) {
    const names = [...families.keys()].map((name) => name.replace(/_total$/, ''))
    const own = DEVICE_METRICS.map(({ name }) => name.replace(/_total$/, ''))
    t.same(names.slice(-own.length - 1), [...own, 'x_seconds'])
    for (const { name, labels } of DEVICE_METRICS) {
      const samples = (families.get(name) ?? families.get(name.replace(/_total$/, '')))?.samples
      t.same(
        samples?.map(({ value }) => Number(value)),
        [0.5, 1.5],
        name,
      )
      t.same(samples?.[0]?.labels, Object.fromEntries(labels.map((label) => [label, HOSTILE])))
      t.same(samples?.[1]?.labels, Object.fromEntries(labels.map((label) => [label, ''])))
    }
  }
  t.match(textOf(one, [], 'openmetrics'), '# TYPE orb8_gpu_energy_joules counter\n# UNIT orb8_gpu_energy_joules joules\n')
  t.equal(execFileSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] }), '')
})

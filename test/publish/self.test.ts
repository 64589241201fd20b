import { execFileSync } from 'node:child_process'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { SELF } from '../../src/metrics.ts'
import { createSelf, type Self } from '../../src/publish/self.ts'
import { encode, type Family, type Format } from '../../src/publish/text.ts'
import { type ReadFamily, readOpenMetrics, readPrometheus } from './exposition.ts'

const self = createSelf({ version: '1.2.3', libbpfVersion: '1.1' })

async function textOf(of: Self, format: Format): Promise<string> {
  return Buffer.concat([...encode(undefined, await of.families(), format, (bytes) => Buffer.alloc(bytes))]).toString()
}

async function read(): Promise<Map<string, ReadFamily>> {
  return readPrometheus(await textOf(self, 'prometheus'))
}

function values(families: Map<string, ReadFamily>, name: string): Record<string, number> {
  return Object.fromEntries((families.get(name)?.samples ?? []).map(({ labels, value }) => [Object.values(labels).join(), Number(value)]))
}

t.test('what is set is published, every metric of the contract with its type, help and labels', async (t) => {
  self.programLoaded('tcp_state', true)
  self.programLoaded('udp_egress', false)
  self.loadSeconds(0.25)
  self.mapCapacity('flows', 65536)
  self.mapEntries('flows', 12)
  self.mapMemory('flows', 1_048_576)
  self.programRuns('tcp_state', 1000, 0.25)
  self.programRuns('tcp_state', 3000, 0.75)
  self.readerGap(31.5)
  self.flowOverflow(3, 4000)
  self.socketsTracked(17)
  self.socketsUntracked('limit', 5)
  self.series(800)
  self.seriesOverflow(9)
  self.attributedBytes({ cgroup: 1000, pod_ip: 0, host: 200, none: 1 })
  self.stage('walk', 0.0004)
  self.collected('flows', 0.003)
  self.collectionFailed('dcgm', 'timeout', 2)
  const { kubernetes } = self
  for (const resource of ['pods', 'peers', 'nodes']) kubernetes.connected(resource, true)
  kubernetes.connected('nodes', false)
  kubernetes.reconnected('pods')
  kubernetes.synced('pods', 1_700_000_000_500)
  kubernetes.synced('peers', 1)
  kubernetes.skipped('pods', 'garbage')
  kubernetes.left('peers')
  kubernetes.podsTracked(12)
  const families = await read()
  for (const metric of Object.values(SELF)) {
    const family = families.get(metric.name)
    t.match(family, { type: metric.type, help: metric.help }, metric.name)
    t.ok(family && family.samples.length > 0, `${metric.name} has a sample`)
    for (const { labels } of family?.samples ?? []) {
      const { le: _, ...own } = labels
      t.same(Object.keys(own).sort(), [...metric.labels].sort(), metric.name)
    }
  }
  t.same(values(families, 'orb8_bpf_program_loaded'), { tcp_state: 1, udp_egress: 0 })
  t.same(values(families, 'orb8_build_info'), { [`1.2.3,${process.version},1.1`]: 1 })
  t.same(values(families, 'orb8_sockets_untracked_total'), { limit: 5, memory: 0 })
  t.same(values(families, 'orb8_attributed_bytes_total'), { cgroup: 1000, pod_ip: 0, host: 200, none: 1 })
  t.same(values(families, 'orb8_flow_overflow_bytes_total'), { '': 4000 })
  t.same(values(families, 'orb8_bpf_map_memory_bytes'), { flows: 1_048_576 })
  t.same(values(families, 'orb8_bpf_program_runs_total'), { tcp_state: 3000 })
  t.same(values(families, 'orb8_bpf_program_run_seconds_total'), { tcp_state: 0.75 })
  t.same(values(families, 'orb8_reader_gap_seconds_total'), { '': 31.5 })
  t.same(values(families, 'orb8_collector_up'), { flows: 1, dcgm: 0 })
  t.same(values(families, 'orb8_collector_errors_total'), { 'dcgm,timeout': 1 })
  t.same(values(families, 'orb8_k8s_watch_connected'), { pods: 1, nodes: 0 })
  t.same(values(families, 'orb8_k8s_watch_reconnections_total'), { pods: 1, peers: 0, nodes: 0 })
  t.same(values(families, 'orb8_k8s_last_sync_timestamp_seconds'), { pods: 1_700_000_000.5 })
  t.same(values(families, 'orb8_k8s_skipped_total'), { 'pods,garbage': 1 })
  t.same(values(families, 'orb8_k8s_pods_tracked'), { '': 12 })
})

t.test('totals rise to what they are set to and never fall', async (t) => {
  const seen: (number | undefined)[] = []
  for (const total of [10, 10, 25, 20, 26, 2 ** 53]) {
    self.seriesOverflow(total)
    seen.push(values(await read(), 'orb8_series_overflow_total')[''])
  }
  t.same(seen, [10, 10, 25, 25, 26, 2 ** 53])
})

t.test('the histogram of collections adds up', async (t) => {
  const other = createSelf({ version: '1', libbpfVersion: '1' })
  for (const seconds of [0.0001, 0.02, 60]) other.collected('flows', seconds)
  const samples = readPrometheus(await textOf(other, 'prometheus')).get('orb8_collection_duration_seconds')?.samples ?? []
  const of = (suffix: string, le?: string): number =>
    Number(samples.find(({ name, labels }) => name.endsWith(suffix) && labels.le === le)?.value)
  t.equal(of('_count'), 3)
  t.equal(of('_bucket', '+Inf'), 3)
  t.equal(of('_bucket', '10'), 2)
  t.equal(of('_bucket', '0.001'), 1)
})

t.test('stages are told apart, in tenths of a millisecond too', async (t) => {
  const other = createSelf({ version: '1', libbpfVersion: '1' })
  other.stage('commit', 0.000_09)
  other.stage('commit', 0.018)
  other.stage('walk', 3)
  const samples = readPrometheus(await textOf(other, 'prometheus')).get('orb8_collection_stage_duration_seconds')?.samples ?? []
  const below = (stage: string, le: string): number =>
    Number(samples.find(({ labels }) => labels.stage === stage && labels.le === le)?.value)
  t.same(
    ['0.0001', '0.005', '0.02', '+Inf'].map((le) => below('commit', le)),
    [1, 1, 2, 2],
  )
  t.same([below('walk', '2.5'), below('walk', '10')], [0, 1])
})

t.test('a program’s runs and a gap are not shown before they are told', async (t) => {
  const families = readPrometheus(await textOf(createSelf({ version: '1', libbpfVersion: '1' }), 'prometheus'))
  t.same(values(families, 'orb8_bpf_program_runs_total'), {})
  t.same(values(families, 'orb8_reader_gap_seconds_total'), { '': 0 })
})

t.test('both formats are valid however often they take turns', async (t) => {
  for (let turn = 0; turn < 3; turn++) {
    const text = await read()
    const open = readOpenMetrics(await textOf(self, 'openmetrics'))
    t.equal(text.get('orb8_series_overflow_total')?.samples[0]?.name, 'orb8_series_overflow_total')
    t.equal(open.get('orb8_series_overflow')?.samples[0]?.name, 'orb8_series_overflow_total')
    t.equal(open.get('orb8_collection_duration_seconds')?.unit, 'seconds')
    t.equal(text.size, open.size)
  }
})

t.test('process and event-loop metrics are there, without gauges named like counters', async (t) => {
  const families = await read()
  for (const name of ['process_cpu_seconds_total', 'process_resident_memory_bytes', 'process_open_fds', 'nodejs_eventloop_lag_p99_seconds'])
    t.ok(Number(families.get(name)?.samples[0]?.value) >= 0, name)
  // By now the loop has been looked at.
  await setTimeout(100)
  const later = await read()
  t.ok(Number(later.get('nodejs_eventloop_lag_max_seconds')?.samples[0]?.value) > 0)
  for (const part of ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99']) {
    t.equal(families.get(`nodejs_eventloop_lag_${part}_seconds`)?.samples.length, 1, part)
  }
  for (const { name, type } of families.values()) t.equal(name.endsWith('_total'), type === 'counter', name)
})

t.test('the push takes nothing of the delays that a scrape is to see', async (t) => {
  const one = createSelf({ version: '1', libbpfVersion: '1' })
  const longest = (families: readonly Family[]): unknown =>
    families.find(({ name }) => name === 'nodejs_eventloop_lag_max_seconds')?.samples[0]?.value
  await one.pushFamilies()
  for (const end = performance.now() + 200; performance.now() < end; );
  await setTimeout(100)
  t.ok(Number(longest(await one.pushFamilies())) > 0.15)
  await setTimeout(100)
  t.ok(Number(longest(await one.pushFamilies())) < 0.15, 'it has a window of its own')
  t.ok(Number(longest(await one.families())) > 0.15)
})

t.test('promtool has no complaint', async (t) => {
  const input = await textOf(self, 'prometheus')
  t.equal(execFileSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] }), '')
})

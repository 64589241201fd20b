// GPUs and RDMA ports over OTLP: what /metrics shows arrives at a collector of the test's own, and counters stay counters.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Child, until } from '../harness/child.ts'
import { dcgmText } from '../harness/dcgm-exporter.ts'
import type { Exporter } from '../harness/exporter.ts'
import { matching, type Scrape, sum } from '../harness/exposition.ts'
import { GPUS, gpuMachine, trainingWith } from '../harness/gpu-machine.ts'
import { samplesOfPoints, samplesOfScrape } from '../harness/otlp/both-exits.ts'
import { Collector } from '../harness/otlp/collector.ts'
import { faults } from '../harness/otlp/fields.ts'
import type { OtlpPoint } from '../harness/otlp/points.ts'
import { type RdmaFiles, RdmaTree } from '../harness/rdma.ts'
import { onSite, type Site } from '../harness/site.ts'

const DEVICES = /^orb8_(gpu|rdma)_/
const HCA = '0000:3b:00.2'
const PORT: RdmaFiles = {
  'mlx5_0/ports/1/counters/port_xmit_data': 2500,
  'mlx5_0/ports/1/counters/port_rcv_data': 5000,
  'mlx5_0/ports/1/counters/port_xmit_packets': 70,
  'mlx5_0/ports/1/counters/port_rcv_packets': 80,
  'mlx5_0/ports/1/hw_counters/np_cnp_sent': 14,
}

interface Machine extends Awaited<ReturnType<typeof gpuMachine>> {
  readonly rdma: RdmaTree
  readonly collector: Collector
  start(env?: Readonly<Record<string, string>>): Promise<Exporter>
}

async function machine(site: Site): Promise<Machine> {
  const gpus = await gpuMachine(site.undo)
  gpus.kubelet.says = trainingWith(HCA)
  const rdma = new RdmaTree(site.undo, PORT)
  rdma.isFunction('mlx5_0', HCA)
  const collector = await Collector.start(site.undo)
  const otlp = {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.port}`,
    OTEL_METRIC_EXPORT_INTERVAL: '500',
    ORB8_COLLECT_INTERVAL: '1s',
  }
  return {
    ...gpus,
    rdma,
    collector,
    start: (env = {}) => site.exporter({ env: { ...gpus.env, ...otlp, ...env }, wrapper: rdma.wrapper }),
  }
}

const versionOf = (scrape: Scrape): string => matching(scrape, 'orb8_build_info')[0]?.labels.version ?? ''
const onPod = ({ attributes }: OtlpPoint): boolean => attributes['k8s.pod.name'] === 'train-0'

/** Of each series the last point. */
function newest(points: readonly OtlpPoint[]): Map<string, number> {
  return samplesOfPoints([...new Map(points.map((point) => [JSON.stringify([point.name, point.attributes]), point])).values()])
}

function energyOf(collector: Collector): readonly OtlpPoint[] {
  return collector.taken.filter((point) => point.name === 'orb8.gpu.energy' && onPod(point))
}

t.test(
  'GPUs, their processes and RDMA ports have the same numbers at both exits',
  onSite(async (t, site) => {
    const sinceMs = Date.now() - 1000
    const { driver, collector, start } = await machine(site)
    const cgroup = site.cgroup(`cri-containerd-${'ab'.repeat(32)}.scope`)
    const process = new Child(site.undo, 'sleep', ['600'])
    writeFileSync(join(cgroup.directory, 'cgroup.procs'), String(process.pid))
    driver.change({
      '0.energy': 9_876_543_210,
      '0.compute': `${process.pid}:5242880`,
      '0.samples': `${process.pid}:${Date.now() * 1000}:60`,
    })
    const exporter = await start()
    let scrape = await exporter.scrape()
    await until('the collector to have what /metrics shows', async () => {
      scrape = await exporter.scrape()
      const wanted = samplesOfScrape(scrape, DEVICES)
      const last = newest(collector.taken.filter(({ name }) => /^orb8\.(gpu|rdma)\./.test(name)))
      return wanted.size > 0 && last.size === wanted.size && [...wanted].every(([key, value]) => last.get(key) === value)
    })
    const families = new Set([...scrape.types.keys()].filter((name) => DEVICES.test(name)))
    t.equal(families.size, 19, 'every metric of GPUs and of RDMA ports')
    t.same(faults(collector.received, { temporality: 'cumulative', version: versionOf(scrape), sinceMs }), [])

    const points = collector.taken.filter(onPod)
    const [energy, bytes, clock] = ['orb8.gpu.energy', 'orb8.rdma.bytes', 'orb8.gpu.clock'].map((of) =>
      points.find(({ name }) => name === of),
    )
    t.match(energy, { kind: 'sum', monotonic: true, unit: 'J', temporality: 'cumulative', value: 9_876_543.21 })
    t.ok((energy?.startMs ?? sinceMs) < sinceMs, 'it had begun before the exporter did')
    t.match(energy?.attributes, {
      'orb8.gpu.index': '0',
      'orb8.gpu.uuid': GPUS[0],
      'orb8.workload.name': 'train-0',
      'orb8.sharing': 'exclusive',
    })
    t.match(bytes, { kind: 'sum', unit: 'By', value: 10_000, whole: true })
    t.match(bytes?.attributes, { 'orb8.rdma.device': 'mlx5_0', 'orb8.rdma.port': 1, 'network.io.direction': 'transmit' })
    t.match(clock, { kind: 'gauge', unit: 'Hz', startMs: 0 })
  }),
)

for (const temporality of ['cumulative', 'delta'] as const) {
  t.test(
    `${temporality}: counters stay counters while dcgm-exporter restarts and the driver and a device begin anew`,
    onSite(async (t, site) => {
      const sinceMs = Date.now() - 1000
      const { dcgm, rdma, collector, start } = await machine(site)
      const exporter = await start({ ORB8_NVML: 'off', OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: temporality })
      const first = await exporter.scrape()
      const tell = (millijoules: number): void => {
        dcgm.text = dcgmText('today').replaceAll('9876543210', String(millijoules))
      }
      const told = async (joules: number): Promise<void> =>
        until(`${joules} J`, async () => sum(await exporter.scrape(), 'orb8_gpu_energy_joules_total', { pod: 'train-0' }) === joules)
      const arrived = (joules: number): Promise<void> =>
        until(`${joules} J at the collector`, () => {
          const values = energyOf(collector).map(({ value }) => value)
          const total = temporality === 'delta' ? 9_876_543.21 + values.reduce((all, value) => all + value, 0) : (values.at(-1) ?? 0)
          return Math.abs(total - joules) < 1e-6
        })
      // The first differences are taken from what was seen before.
      await until('an export with the GPU', () => collector.taken.some((point) => point.name === 'orb8.gpu.power' && onPod(point)))
      tell(9_876_544_210)
      await told(9_876_544.21)
      await arrived(9_876_544.21)

      const { port } = dcgm
      await dcgm.stop()
      await until('the energy to leave', async () => matching(await exporter.scrape(), 'orb8_gpu_energy_joules_total').length === 0)
      tell(3000)
      rdma.write({ 'mlx5_0/ports/1/counters/port_xmit_data': 100 })
      await dcgm.listen(port)
      await told(9_876_547.21)
      await arrived(9_876_547.21)
      const last = await exporter.scrape()
      t.equal(sum(last, 'orb8_rdma_bytes_total', { direction: 'egress', pod: 'train-0' }), 10_400)

      t.same(faults(collector.received, { temporality, version: versionOf(last), sinceMs }), [])
      const points = energyOf(collector)
      t.ok(points.every(({ kind, monotonic }) => kind === 'sum' && monotonic))
      if (temporality === 'cumulative') {
        t.equal(new Set(points.map(({ startMs }) => startMs)).size, 1, 'one start')
        t.ok(
          points.every(({ value }, index) => value >= (points[index - 1]?.value ?? 0)),
          'it never falls',
        )
        return
      }
      t.same(
        points.slice(1).map(({ startMs }, index) => startMs - (points[index]?.timeMs ?? 0)),
        points.slice(1).map(() => 0),
        'each begins where the one before ended',
      )
      t.ok((points[0]?.startMs ?? 0) >= sinceMs, 'from first sight on')
      t.equal(sum(first, 'orb8_gpu_energy_joules_total', { pod: 'train-0' }), 9_876_543.21)
    }),
  )
}

// GPUs of pods on /metrics, from dcgm-exporter, kubelet and the driver, each as the exporter meets it on a node.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Child, until } from '../harness/child.ts'
import { dcgmText } from '../harness/dcgm-exporter.ts'
import { matching, type Scrape, sum } from '../harness/exposition.ts'
import { GPUS, gpuMachine } from '../harness/gpu-machine.ts'
import { holder } from '../harness/kubelet.ts'
import { has } from '../harness/namespaces.ts'
import { promtool } from '../harness/prometheus.ts'
import { onSite } from '../harness/site.ts'

const MEBIBYTE = 2 ** 20
const CONTAINER = 'ab'.repeat(32)
const TRAIN = { namespace: 'ml', pod: 'train-0', container: 'main', workload: 'train-0', workload_kind: 'Pod' }
const NOBODY = { namespace: '', pod: '', container: '', workload: '', workload_kind: '' }
const gpu = (index: 0 | 1) => ({
  gpu_uuid: GPUS[index],
  gpu: String(index),
  gpu_model: 'NVIDIA H100 80GB HBM3',
  mig_profile: '',
  mig_instance: '',
})

const read = (scrape: Scrape, name: string) => matching(scrape, name).map(({ labels, value }) => [labels, value])
const gpuNames = (scrape: Scrape): string[] => [...scrape.types.keys()].filter((name) => name.startsWith('orb8_gpu_'))
const up = (scrape: Scrape, collector: string): number | undefined => matching(scrape, 'orb8_collector_up', { collector })[0]?.value

t.test(
  'a GPU bears the labels of the pod that holds it, its processes those of their container',
  onSite(async (t, site) => {
    const { driver, env } = await gpuMachine(site.undo)
    const cgroup = site.cgroup(`cri-containerd-${CONTAINER}.scope`, site.cgroup('kubepods.slice'))
    const process = new Child(site.undo, 'sleep', ['600'])
    writeFileSync(join(cgroup.directory, 'cgroup.procs'), String(process.pid))
    const justNow = (Date.now() - 1000) * 1000
    driver.change({ '0.compute': `${process.pid}:${5 * MEBIBYTE}`, '0.samples': `${process.pid}:${justNow}:60` })
    const exporter = await site.exporter({ env })
    const scrape = await exporter.scrape()

    const [first, second] = [
      { ...TRAIN, ...gpu(0), sharing: 'exclusive' },
      { ...NOBODY, ...gpu(1), sharing: 'none' },
    ]
    t.same(read(scrape, 'orb8_gpu_utilization_ratio'), [
      [first, 0.97],
      [second, 0],
    ])
    t.same(read(scrape, 'orb8_gpu_memory_used_bytes')[0], [first, 73_004 * MEBIBYTE], "dcgm-exporter's, not the driver's")
    t.same(read(scrape, 'orb8_gpu_energy_joules_total')[0], [first, 9_876_543.21])
    t.same(
      read(scrape, 'orb8_gpu_pcie_bytes_per_second'),
      [
        [{ ...first, direction: 'egress' }, 1_234_567_890],
        [{ ...second, direction: 'egress' }, 412_345],
        [{ ...first, direction: 'ingress' }, 987_654_321],
        [{ ...second, direction: 'ingress' }, 398_000],
      ].sort((a, b) => (a[0] as typeof first).gpu.localeCompare((b[0] as typeof first).gpu)),
    )
    t.same(read(scrape, 'orb8_gpu_last_xid')[0], [first, 13])
    const container = { ...NOBODY, workload: CONTAINER.slice(0, 12), workload_kind: 'container', gpu_uuid: GPUS[0], gpu: '0' }
    t.same(read(scrape, 'orb8_gpu_process_memory_used_bytes'), [[container, 5 * MEBIBYTE]])
    t.same(read(scrape, 'orb8_gpu_process_utilization_ratio'), [[container, 0.6]])
    t.equal(sum(scrape, 'orb8_gpu_power_watts'), 512.417 + 71.23, 'no device twice')
    t.equal(sum(scrape, 'orb8_gpu_allocatable_devices', { resource: 'nvidia.com/gpu' }), 2)
    t.equal(sum(scrape, 'orb8_gpu_allocated_devices', { resource: 'nvidia.com/gpu' }), 1)
    for (const collector of ['flows', 'dcgm', 'nvml', 'pod_resources']) t.equal(up(scrape, collector), 1, collector)

    const open = await exporter.get('/metrics', { accept: 'application/openmetrics-text;version=1.0.0' })
    t.match(open.body, /# TYPE orb8_gpu_energy_joules counter\n# UNIT orb8_gpu_energy_joules joules\n/)
    if (has('promtool')) t.same(promtool((await exporter.get('/metrics')).body), { code: 0, said: '' })
  }),
)

t.test(
  'while dcgm-exporter is away its gauges are too, and collector_up says so; its counters go on when it is back',
  onSite(async (t, site) => {
    const { dcgm, env } = await gpuMachine(site.undo)
    const exporter = await site.exporter({ env: { ...env, ORB8_NVML: 'off' } })
    const before = await exporter.scrape()
    t.equal(up(before, 'dcgm'), 1)
    t.equal(matching(before, 'orb8_gpu_power_watts').length, 2)
    const { port } = dcgm
    await dcgm.stop()
    await until('the gauges to leave', async () => {
      const scrape = await exporter.scrape()
      return up(scrape, 'dcgm') === 0 && matching(scrape, 'orb8_gpu_power_watts').length === 0
    })
    const away = await exporter.scrape()
    t.strictSame(gpuNames(away), [], 'nothing is told of any GPU')
    t.equal(up(away, 'flows'), 1, 'flows are counted all the while')
    t.equal((await exporter.get('/healthz')).status, 200)
    // The driver was loaded again meanwhile: it counts from 0.
    dcgm.text = dcgmText('today').replaceAll('9876543210', '3000')
    await dcgm.listen(port)
    await until('the gauges to come back', async () => up(await exporter.scrape(), 'dcgm') === 1)
    const after = await exporter.scrape()
    t.equal(sum(after, 'orb8_gpu_energy_joules_total', { pod: 'train-0' }), 9_876_543.21 + 3)
    t.ok(sum(after, 'orb8_collector_errors_total', { collector: 'dcgm', reason: 'connect' }) > 0)
  }),
)

t.test(
  'while dcgm-exporter is away the driver tells what it can',
  onSite(async (t, site) => {
    const { dcgm, env } = await gpuMachine(site.undo)
    const exporter = await site.exporter({ env })
    t.equal(sum(await exporter.scrape(), 'orb8_gpu_power_watts', { gpu: '0' }), 512.417)
    await dcgm.stop()
    await until('the driver to tell', async () => sum(await exporter.scrape(), 'orb8_gpu_power_watts', { gpu: '0' }) === 250.123)
    const scrape = await exporter.scrape()
    t.equal(matching(scrape, 'orb8_gpu_sm_active_ratio').length, 0, 'which the driver does not tell')
    t.same(matching(scrape, 'orb8_gpu_power_watts', { gpu: '0' })[0]?.labels.pod, 'train-0', 'the pod is the same')
  }),
)

t.test(
  'a kubelet that restarts is asked again; a GPU that several pods share is told once, without a pod',
  onSite(async (t, site) => {
    const { kubelet, env } = await gpuMachine(site.undo)
    const exporter = await site.exporter({ env })
    t.equal(matching(await exporter.scrape(), 'orb8_gpu_power_watts', { pod: 'train-0', sharing: 'exclusive' }).length, 1)
    kubelet.stop()
    kubelet.says = {
      pods: [0, 1].map((n) => holder(`notebook-${n}`, 'nvidia.com/gpu.shared', `${GPUS[0]}::${n}`)),
      allocatable: { 'nvidia.com/gpu.shared': [0, 1, 2].map((n) => `${GPUS[0]}::${n}`) },
    }
    await until('the failure to be told', async () => up(await exporter.scrape(), 'pod_resources') === 0)
    t.equal(matching(await exporter.scrape(), 'orb8_gpu_power_watts', { pod: 'train-0' }).length, 1, 'what is known stands meanwhile')
    await kubelet.serve()
    await until(
      'the new holders',
      async () => matching(await exporter.scrape(), 'orb8_gpu_power_watts', { sharing: 'time_slicing' }).length > 0,
    )
    const scrape = await exporter.scrape()
    t.same(read(scrape, 'orb8_gpu_power_watts')[0], [{ ...NOBODY, ...gpu(0), sharing: 'time_slicing' }, 512.417])
    t.equal(matching(scrape, 'orb8_gpu_power_watts').length, 2, 'each GPU once')
    t.equal(sum(scrape, 'orb8_gpu_allocated_devices'), 2)
  }),
)

t.test(
  "without kubelet's socket dcgm-exporter's own labels name the pod",
  onSite(async (t, site) => {
    const { dcgm, env } = await gpuMachine(site.undo)
    dcgm.text = dcgmText('mig')
    const exporter = await site.exporter({ env: { ...env, ORB8_NVML: 'off', ORB8_POD_RESOURCES_SOCKET: '/nowhere/kubelet.sock' } })
    const scrape = await exporter.scrape()
    t.same(
      matching(scrape, 'orb8_gpu_memory_used_bytes').map(({ labels: { pod, sharing, mig_profile, mig_instance } }) => [
        pod,
        sharing,
        mig_profile,
        mig_instance,
      ]),
      [
        ['small-1', 'mig', '1g.10gb', '7'],
        ['', 'none', '1g.10gb', '8'],
      ],
    )
    t.equal(sum(scrape, 'orb8_gpu_power_watts'), 150.5, "the GPU's own power once")
    t.equal(up(scrape, 'pod_resources'), undefined)
  }),
)

t.test(
  'a GPU that hangs stops nothing: not the other, not the flows, not the end',
  onSite(async (t, site) => {
    const { driver, env } = await gpuMachine(site.undo)
    const exporter = await site.exporter({ env: { ...env, ORB8_DCGM_URL: '' } })
    t.equal(matching(await exporter.scrape(), 'orb8_gpu_power_watts').length, 2)
    driver.change({ '0.hang_ms': 60_000 })
    await until('the other alone', async () => matching(await exporter.scrape(), 'orb8_gpu_power_watts').length === 1)
    const scrape = await exporter.scrape()
    t.strictSame(
      matching(scrape, 'orb8_gpu_power_watts').map(({ labels }) => labels.gpu),
      ['1'],
    )
    t.equal(up(scrape, 'flows'), 1)
    t.ok(sum(scrape, 'orb8_collector_errors_total', { collector: 'nvml', reason: 'timeout' }) > 0)
    t.same(await exporter.stop(), { code: 0, signal: null }, 'long before the call comes back')
    exporter.dead = true
  }),
)

t.test(
  'a machine without GPUs has no metric of them',
  onSite(async (t, site) => {
    const exporter = await site.exporter()
    const scrape = await exporter.scrape()
    t.strictSame(gpuNames(scrape), [])
    for (const collector of ['dcgm', 'nvml', 'pod_resources']) t.equal(up(scrape, collector), undefined, collector)
  }),
)

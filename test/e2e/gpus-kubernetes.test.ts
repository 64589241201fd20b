// One query over a pod's GPU and its network: both bear the same names, from an API server, kubelet, dcgm-exporter and a driver's library
// of the tests' own, with real traffic.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Child, until } from '../harness/child.ts'
import { dcgmText } from '../harness/dcgm-exporter.ts'
import { matching, type Scrape } from '../harness/exposition.ts'
import { GPUS, type GpuMachine, gpuMachine, trainingWith } from '../harness/gpu-machine.ts'
import { KubeNode, NODE, type PlacedPod } from '../harness/kube-node.ts'
import { holder } from '../harness/kubelet.ts'
import { containerIdOf, resourceSlice } from '../harness/kubernetes-objects.ts'
import { has } from '../harness/namespaces.ts'
import { Prometheus } from '../harness/prometheus.ts'
import { RdmaTree } from '../harness/rdma.ts'
import { onSite, type Site } from '../harness/site.ts'
import { VISIT, visit } from '../harness/streams.ts'

const OWNER = ['namespace', 'pod', 'container', 'workload', 'workload_kind'] as const
const TRAIN = { name: 'train-0', namespace: 'ml', ip: '10.244.1.10', containers: [{ name: 'main' }] } as const
const TRAINING = { namespace: 'ml', pod: 'train-0', container: 'main', workload: 'train', workload_kind: 'StatefulSet' }
const PEER = '10.244.2.7'
const MEBIBYTE = 2 ** 20

const ownerIn = (labels: Readonly<Record<string, string>>) => Object.fromEntries(OWNER.map((label) => [label, labels[label] ?? '']))

/** Each owner of the pod's that a metric has, once. */
function ownersOf(scrape: Scrape, name: string, pod: string): readonly Record<string, string>[] {
  const found = matching(scrape, name, { pod }).map(({ labels }) => JSON.stringify(ownerIn(labels)))
  return [...new Set(found)].map((text) => JSON.parse(text))
}

/** Something on the first GPU in the pod's first container. */
function work(site: Site, { driver }: GpuMachine, pod: PlacedPod): void {
  const { directory } = pod.container(containerIdOf(pod.object.metadata.uid, { name: 'main' }))
  const process = new Child(site.undo, 'sleep', ['600'])
  writeFileSync(join(directory, 'cgroup.procs'), String(process.pid))
  driver.change({ '0.compute': `${process.pid}:${5 * MEBIBYTE}`, '0.samples': `${process.pid}:${(Date.now() - 1000) * 1000}:60` })
}

t.test(
  "a pod's GPU, what runs on it and its RDMA port bear the labels of its flows, and one query joins them",
  onSite(async (t, site) => {
    const kube = await KubeNode.make(site)
    const machine = await gpuMachine(site.undo)
    machine.kubelet.says = trainingWith('mlx5_0')
    const rdma = new RdmaTree(site.undo, { 'mlx5_0/ports/1/counters/port_xmit_data': 25, 'mlx5_0/ports/1/hw_counters/np_cnp_sent': 1 })
    const train = kube.place({ ...TRAIN, owner: { kind: 'StatefulSet', name: 'train' } })
    kube.api.put(train.object)
    work(site, machine, train)
    const exporter = await site.exporter(kube.options({ env: machine.env, wrapper: rdma.wrapper }))
    const afar = site.agent({ namespace: kube.attach('afar', PEER) })
    await visit(afar, kube.agent(train, 'main'), PEER)

    const metrics = [
      ...['orb8_flow_bytes_total', 'orb8_container_network_bytes_total'],
      ...['orb8_gpu_utilization_ratio', 'orb8_gpu_power_watts', 'orb8_gpu_energy_joules_total', 'orb8_gpu_last_xid'],
      ...['orb8_gpu_process_utilization_ratio', 'orb8_gpu_process_memory_used_bytes'],
      ...['orb8_rdma_bytes_total', 'orb8_rdma_events_total'],
    ]
    const wanted = Object.fromEntries(metrics.map((name) => [name, [TRAINING]]))
    const read = (scrape: Scrape) => Object.fromEntries(metrics.map((name) => [name, ownersOf(scrape, name, 'train-0')]))
    t.same(await exporter.settled(wanted, read), wanted)
    t.strictSame(
      matching(await exporter.scrape(), 'orb8_gpu_power_watts').map(({ labels }) => labels.workload),
      ['train', ''],
      'the GPU that nobody holds is nobody’s',
    )

    if (!has('prometheus')) return
    const prometheus = await Prometheus.start(site.undo, { orb8: exporter.port })
    const by = OWNER.join()
    const busy = `avg by (${by}) (orb8_gpu_utilization_ratio{pod!=""}) > 0.5`
    const sent = `sum by (${by}) (orb8_flow_bytes_total{direction="egress"})`
    const joined = () => prometheus.vector(`${sent} and on (${by}) (${busy})`)
    await until('the join', async () => (await joined()).length > 0)
    t.same(
      (await joined()).map(({ metric, value }) => [metric, Number(value[1])]),
      [[TRAINING, VISIT.sent]],
    )
    const perWatt = await prometheus.vector(`orb8_gpu_power_watts * on (${by}) group_left () (${sent})`)
    t.same(
      perWatt.map(({ metric, value }) => [metric.gpu, Number(value[1])]),
      [['0', 512.417 * VISIT.sent]],
    )
  }),
)

t.test(
  'a pod that the API tells of late goes by its own name first; where pods share a GPU each has its own processes',
  onSite(async (t, site) => {
    const kube = await KubeNode.make(site)
    const machine = await gpuMachine(site.undo)
    const train = kube.place({ ...TRAIN, owner: { kind: 'StatefulSet', name: 'train' } })
    work(site, machine, train)
    const exporter = await site.exporter(kube.options({ env: machine.env }))
    const owners = (scrape: Scrape) => ownersOf(scrape, 'orb8_gpu_power_watts', 'train-0')
    const bare = [{ ...TRAINING, workload: 'train-0', workload_kind: 'Pod' }]
    t.same(await exporter.settled(bare, owners), bare)
    kube.api.put(train.object)
    t.same(await exporter.settled([TRAINING], owners), [TRAINING])

    machine.kubelet.says = {
      pods: [0, 1].map((n) => holder(`train-${n}`, 'nvidia.com/gpu.shared', `${GPUS[0]}::${n}`)),
      allocatable: { 'nvidia.com/gpu.shared': [0, 1].map((n) => `${GPUS[0]}::${n}`) },
    }
    const shared = { owners: [], sharing: ['time_slicing', 'none'], users: [TRAINING] }
    const read = (scrape: Scrape) => ({
      owners: owners(scrape),
      sharing: matching(scrape, 'orb8_gpu_power_watts').map(({ labels }) => labels.sharing),
      users: ownersOf(scrape, 'orb8_gpu_process_memory_used_bytes', 'train-0'),
    })
    t.same(await exporter.settled(shared, read), shared)
  }),
)

t.test(
  'a GPU by a resource claim is the one that its driver has published under that name',
  onSite(async (t, site) => {
    const kube = await KubeNode.make(site)
    const machine = await gpuMachine(site.undo)
    const claim_resources = [{ driver_name: 'gpu.nvidia.com', pool_name: NODE, device_name: 'gpu-1' }]
    const dynamic_resources = [{ claim_name: 'one', claim_namespace: 'ml', claim_resources }]
    machine.kubelet.says = { pods: [{ name: 'train-0', namespace: 'ml', containers: [{ name: 'main', dynamic_resources }] }] }
    const train = kube.place({ ...TRAIN, owner: { kind: 'StatefulSet', name: 'train' } })
    // Neither the number of its file nor the driver's own.
    kube.api.put(train.object, resourceSlice({ node: NODE, devices: { 'gpu-1': { type: 'gpu', uuid: GPUS[0] } } }))
    const exporter = await site.exporter(kube.options({ env: machine.env }))
    const held = [{ ...TRAINING, gpu_uuid: GPUS[0], sharing: 'exclusive' }]
    const read = (scrape: Scrape) =>
      matching(scrape, 'orb8_gpu_power_watts', { pod: 'train-0' }).map(({ labels }) => {
        const { gpu_uuid, sharing } = labels
        return { ...ownerIn(labels), gpu_uuid, sharing }
      })
    t.same(await exporter.settled(held, read), held)
  }),
)

t.test(
  'without the API the directories of logs name GPUs and flows alike, also of a static pod',
  onSite(async (t, site) => {
    const kube = await KubeNode.make(site)
    const machine = await gpuMachine(site.undo)
    const hash = '9729a196c4723b60ab401eaff722982d'
    const name = `train-${NODE}`
    const train = kube.place({ ...TRAIN, name, configHash: hash })
    machine.dcgm.text = dcgmText('today').replaceAll('pod="train-0"', `pod="${name}"`)
    machine.kubelet.says = { pods: [holder(name, 'nvidia.com/gpu', GPUS[0])] }
    work(site, machine, train)
    const logs = mkdtempSync(join(tmpdir(), 'orb8-test-logs-'))
    const remove = (): void => rmSync(logs, { recursive: true, force: true })
    site.undo.add({ gently: remove, atOnce: remove })
    mkdirSync(join(logs, `ml_${name}_${hash}`, 'main'), { recursive: true })
    const env = { ...machine.env, ORB8_KUBERNETES: 'off', ORB8_POD_LOGS_DIR: logs }
    const exporter = await site.exporter(kube.options({ env }))
    await visit(site.agent({ namespace: kube.attach('afar', PEER) }), kube.agent(train, 'main'), PEER)
    const owner = { namespace: 'ml', pod: name, container: 'main', workload: NODE, workload_kind: 'Node' }
    const metrics = ['orb8_flow_bytes_total', 'orb8_gpu_power_watts', 'orb8_gpu_process_memory_used_bytes']
    const wanted = Object.fromEntries(metrics.map((metric) => [metric, [owner]]))
    const read = (scrape: Scrape) => Object.fromEntries(metrics.map((metric) => [metric, ownersOf(scrape, metric, name)]))
    t.same(await exporter.settled(wanted, read), wanted)
    t.same(kube.api.asked, [], 'nobody was asked')
  }),
)

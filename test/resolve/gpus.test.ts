import t from 'tap'
import type { DeviceHolder, GpuDevice, GpuProcess, GpuSample } from '../../src/model.ts'
import { GpuResolver, PLAIN_NAMES, type WantedNames, type WorkloadNames } from '../../src/resolve/gpus.ts'

const NOBODY = { namespace: '', pod: '', container: '', workload: '', workloadKind: '' }
const sample = (more: Partial<GpuDevice> = {}, holders?: readonly DeviceHolder[]): GpuSample => ({
  device: { uuid: 'GPU-a', index: '0', minor: '0', model: 'H100', migProfile: '', migInstance: '', migUuids: [], ...more },
  readings: { powerWatts: 1 },
  ...(holders && { holders }),
})
const INSTANCES = [sample(), sample({ migInstance: '1', migUuids: ['MIG-1'] }), sample({ migInstance: '2', migUuids: ['MIG-2'] })]
const holding = (pod: string, id: string, container = 'main') => ({
  namespace: 'ml',
  pod,
  container,
  resource: 'nvidia.com/gpu',
  id,
  pool: undefined,
})
const process = (mps: boolean): GpuProcess => ({ uuid: 'GPU-a', index: '0', migInstance: '', pid: 1, cgroup: 0n, cgroupPath: '', mps })

interface Seen {
  readonly samples?: readonly GpuSample[]
  readonly holdings?: readonly ReturnType<typeof holding>[] | undefined
  readonly processes?: readonly GpuProcess[]
}

/** `pod/container sharing` of each device. */
function judge(resolver: GpuResolver, { samples = [sample()], processes = [], ...rest }: Seen): string[] {
  const holdings = 'holdings' in rest ? rest.holdings : []
  return resolver.gpus({ samples, processes, holdings }).map(({ owner, sharing }) => `${owner.pod}/${owner.container} ${sharing}`)
}

const once = (seen: Seen): string[] => judge(new GpuResolver(), seen)

t.test('a GPU that one container holds has its labels', async (t) => {
  const [gpu] = new GpuResolver().gpus({ samples: [sample()], processes: [], holdings: [holding('a', 'GPU-a')] })
  t.same(gpu, {
    ...sample(),
    owner: { namespace: 'ml', pod: 'a', container: 'main', workload: 'a', workloadKind: 'Pod' },
    sharing: 'exclusive',
  })
})

t.test('nobody, one, several of one pod, several pods', async (t) => {
  t.strictSame(once({ holdings: [] }), ['/ none'])
  t.strictSame(once({ holdings: undefined }), ['/ none'], 'kubelet does not tell')
  t.strictSame(once({ holdings: [holding('a', 'GPU-a'), holding('a', 'GPU-a', 'side')] }), ['a/ exclusive'])
  t.strictSame(once({ holdings: [holding('a', 'GPU-a'), holding('b', 'GPU-a')] }), ['/ time_slicing'])
  t.strictSame(once({ holdings: [holding('a', 'GPU-a::0'), holding('b', 'GPU-a::1')] }), ['/ time_slicing'])
  t.strictSame(once({ holdings: [holding('a', 'GPU-a::0'), holding('a', 'GPU-a::1')] }), ['a/main time_slicing'], 'shares, all of one')
})

t.test('shares under MPS are told so from the first process on, also between two processes', async (t) => {
  const resolver = new GpuResolver()
  const holdings = [holding('a', 'GPU-a::0'), holding('b', 'GPU-a::1')]
  t.strictSame(judge(resolver, { holdings }), ['/ time_slicing'])
  t.strictSame(judge(resolver, { holdings, processes: [process(true)] }), ['/ mps'])
  t.strictSame(judge(resolver, { holdings, processes: [process(false)] }), ['/ mps'])
  t.strictSame(
    judge(resolver, { holdings: [holding('a', 'GPU-a')], processes: [process(true)] }),
    ['a/main exclusive'],
    'a pod with an MPS of its own',
  )
  t.strictSame(judge(resolver, { holdings }), ['/ time_slicing'], 'shared anew')
})

t.test("MIG: each instance is its own device; what is the whole GPU's has no pod", async (t) => {
  t.strictSame(once({ samples: INSTANCES, holdings: [holding('a', 'MIG-1')] }), ['/ mig', 'a/main mig', '/ none'])
  t.strictSame(once({ samples: INSTANCES, holdings: [] }), ['/ none', '/ none', '/ none'])
  t.strictSame(once({ samples: INSTANCES, holdings: [holding('a', 'MIG-1::0'), holding('b', 'MIG-1::1'), holding('c', 'MIG-2')] }), [
    '/ mig',
    '/ time_slicing',
    'c/main mig',
  ])
  const twoInOne = [sample(), sample({ migInstance: '1', migUuids: ['MIG-1', 'MIG-2'] })]
  t.strictSame(once({ samples: twoInOne, holdings: [holding('a', 'MIG-1'), holding('b', 'MIG-2')] }), ['/ mig', '/ mig'])
})

const told: readonly DeviceHolder[] = [{ namespace: 'ml', pod: 'told', container: 'c', share: false }]

t.test("dcgm-exporter's own pods serve where kubelet does not say", async (t) => {
  t.strictSame(once({ samples: [sample({}, told)], holdings: undefined }), ['told/c exclusive'])
  t.strictSame(once({ samples: [sample({}, told)], holdings: [] }), ['/ none'], 'kubelet says that nobody does')
  t.strictSame(once({ samples: [sample({}, told)], holdings: [holding('a', 'GPU-a')] }), ['a/main exclusive'], 'kubelet is believed')
  t.strictSame(once({ samples: [sample({}, told)], holdings: [holding('a', 'MIG-x')] }), ['told/c exclusive'], 'an id that needs more')
  const shared = told.map((holder) => ({ ...holder, share: true }))
  t.strictSame(once({ samples: [sample({}, [...shared, { ...shared[0], pod: 'b' } as DeviceHolder])], holdings: undefined }), [
    '/ time_slicing',
  ])
})

t.test('workloads come from whoever knows them', async (t) => {
  const asked: WantedNames[] = []
  const names: WorkloadNames = {
    ensure: async (wanted) => void asked.push(wanted),
    ofPod: (namespace, pod, container) => ({ namespace, pod, container, workload: 'train', workloadKind: 'Job' }),
    ofCgroup: (cgroup) => (cgroup === 78n ? undefined : { ...NOBODY, pod: `pod-of-${cgroup}` }),
  }
  const resolver = new GpuResolver(names)
  const [gpu] = resolver.gpus({ samples: [sample()], processes: [], holdings: [holding('a', 'GPU-a')] })
  t.strictSame([gpu?.owner.workload, gpu?.owner.workloadKind], ['train', 'Job'])
  const processes = [77n, 78n].map((cgroup) => ({ ...process(false), cgroup, cgroupPath: `/${cgroup}` }))
  t.strictSame(
    resolver.processes(processes).map(({ owner }) => owner.pod),
    ['pod-of-77'],
    "another node's is left out",
  )
  await resolver.ensure({ samples: [sample({}, told)], processes, holdings: [holding('a', 'GPU-a')] })
  t.match(asked, [{ paths: ['/77', '/78'], pods: [{ pod: 'a' }, { pod: 'told' }] }])
})

t.test('without them a process goes by its container, its unit, or nothing', async (t) => {
  const id = 'ab'.repeat(32)
  const of = (path: string) => {
    const owner = PLAIN_NAMES.ofCgroup(1n, path)
    return [owner?.workload, owner?.workloadKind]
  }
  t.strictSame(of(`/kubepods.slice/kubepods-pod0d9f4a52_0b9f_4e5b_9f3b_0b7e7f9a8a11.slice/cri-containerd-${id}.scope`), [
    'abababababab',
    'container',
  ])
  t.strictSame(of('/system.slice/train.service'), ['train.service', 'systemd'])
  t.strictSame(of(''), ['', ''])
})

t.test("an RDMA port is its pod's where one alone holds the device, by name or by function", async (t) => {
  const port = (device: string, parent: string) => ({ device, port: '1', parent, counters: new Map() })
  const ports = [port('mlx5_0', '0000:3b:00.0'), port('mlx5_1', '0000:3b:00.1'), port('mlx5_2', ''), port('mlx5_3', '0000:3b:00.3')]
  const holdings = [
    holding('a', '0000:3b:00.0'),
    holding('b', 'mlx5_1'),
    holding('x', ''),
    holding('c', 'mlx5_3'),
    holding('d', '0000:3b:00.3'),
  ]
  t.strictSame(
    new GpuResolver().rdma(ports, holdings).map(({ owner }) => owner.pod),
    ['a', 'b', '', ''],
  )
  t.strictSame(new GpuResolver().rdma(ports)[0]?.owner, NOBODY)
})

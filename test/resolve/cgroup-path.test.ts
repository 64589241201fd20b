import t from 'tap'
import { type CgroupIdentity, identifyCgroup } from '../../src/resolve/cgroup-path.ts'

const ID = '0123456789ab'.padEnd(64, 'cdef')
const NODE_ID = 'fedcba987654'.padEnd(64, '3210')
const UID = '6fa1c7a2-91d5-4c0e-8a51-0d3c7f2b9e44'
const UID_ = UID.replaceAll('-', '_')
const OUTER = '11111111-2222-3333-4444-555555555555'
const HASH = '9729a196c4723b60ab401eaff722982d'

const inPod: CgroupIdentity = { kind: 'container', name: '0123456789ab', podUid: UID, containerId: ID }
const inNode: CgroupIdentity = { ...inPod, nodeContainer: NODE_ID }
const alone: CgroupIdentity = { kind: 'container', name: '0123456789ab', containerId: ID }
const unit = (name: string): CgroupIdentity => ({ kind: 'systemd', name })
const plain = (name: string): CgroupIdentity => ({ kind: 'cgroup', name })

const BURSTABLE = `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${UID_}.slice`
const KIND = `/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod${UID_}.slice`

const TABLE: readonly (readonly [string, string, CgroupIdentity])[] = [
  ['containerd, systemd driver', `${BURSTABLE}/cri-containerd-${ID}.scope`, inPod],
  ['the same, Guaranteed', `/kubepods.slice/kubepods-pod${UID_}.slice/cri-containerd-${ID}.scope`, inPod],
  ['CRI-O, systemd driver', `/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${UID_}.slice/crio-${ID}.scope`, inPod],
  ['CRI-O with crun: processes one level below', `${BURSTABLE}/crio-${ID}.scope/container`, inPod],
  [
    'conmon bears the id of its container and is none',
    `${BURSTABLE}/crio-conmon-${ID}.scope`,
    { kind: 'systemd', name: `crio-conmon-${ID}.scope`, podUid: UID },
  ],
  ['cri-dockerd, systemd driver', `${BURSTABLE}/docker-${ID}.scope`, inPod],
  ['cgroupfs driver, burstable', `/kubepods/burstable/pod${UID}/${ID}`, inPod],
  ['cgroupfs driver, besteffort', `/kubepods/besteffort/pod${UID}/${ID}`, inPod],
  ['cgroupfs driver, Guaranteed', `/kubepods/pod${UID}/${ID}`, inPod],
  ['CRI-O, cgroupfs driver', `/kubepods/burstable/pod${UID}/crio-${ID}`, inPod],
  ['k3s, cgroupfs driver, below its service', `/system.slice/k3s.service/kubepods/burstable/pod${UID}/${ID}`, inPod],
  [
    'kubelet by systemd, containerd not',
    `/system.slice/containerd.service/kubepods-burstable-pod${UID_}.slice:cri-containerd:${ID}`,
    inPod,
  ],
  ['the same at the root', `/kubepods-pod${UID_}.slice:cri-containerd:${ID}`, inPod],
  ['a custom cgroup root', `/bulk.slice/bulk-kubepods.slice/bulk-kubepods-pod${UID_}.slice/cri-containerd-${ID}.scope`, inPod],
  ['a custom cgroup root, cgroupfs', `/bulk/kubepods/pod${UID}/${ID}`, inPod],
  ['kind, from inside the node', `${KIND}/cri-containerd-${ID}.scope`, inPod],
  ['kind, from the host, systemd', `/system.slice/docker-${NODE_ID}.scope${KIND}/cri-containerd-${ID}.scope`, inNode],
  ['kind, from the host, cgroupfs', `/docker/${NODE_ID}${KIND}/cri-containerd-${ID}.scope`, inNode],
  ['kind with podman', `/machine.slice/libpod-${NODE_ID}.scope/container${KIND}/cri-containerd-${ID}.scope`, inNode],
  ['minikube on docker', `/docker/${NODE_ID}/kubepods/burstable/pod${UID}/${ID}`, inNode],
  ['minikube on docker, systemd', `/system.slice/docker-${NODE_ID}.scope${BURSTABLE}/docker-${ID}.scope`, inNode],
  ['k3d', `/docker/${NODE_ID}/k3s/kubepods/besteffort/pod${UID}/${ID}`, inNode],
  [
    'a cluster in a pod of another: the outer pod, and the inner for whom it is the own one',
    `/kubepods/pod${OUTER}/${NODE_ID}/kubelet/kubepods/pod${UID}/${ID}`,
    {
      kind: 'container',
      name: NODE_ID.slice(0, 12),
      podUid: OUTER,
      containerId: NODE_ID,
      innerPods: [{ podUid: UID, containerId: ID, nodeContainer: NODE_ID }],
    },
  ],
  ['systemd inside a container', `${BURSTABLE}/cri-containerd-${ID}.scope/system.slice/nginx.service`, inPod],
  ['init.scope inside a container', `${BURSTABLE}/cri-containerd-${ID}.scope/init.scope`, inPod],
  ['docker in a pod: the outer container', `${BURSTABLE}/cri-containerd-${ID}.scope/docker/${NODE_ID}`, inPod],
  ['docker in a pod, cgroupfs', `/kubepods/burstable/pod${UID}/${ID}/docker/${NODE_ID}`, inPod],
  ['docker in a pod, systemd', `${BURSTABLE}/cri-containerd-${ID}.scope/system.slice/docker-${NODE_ID}.scope`, inPod],
  ['a sandbox is a container like others', `${BURSTABLE}/crio-${ID}.scope`, inPod],
  [
    "the node container's own kubelet, from the host",
    `/docker/${NODE_ID}/kubelet.slice/kubelet.service`,
    { kind: 'container', name: NODE_ID.slice(0, 12), containerId: NODE_ID },
  ],
  ["a static pod's hash", `/kubepods/burstable/pod${HASH}/${ID}`, { ...inPod, podUid: HASH }],
  [
    "a static pod's hash, systemd driver",
    `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${HASH}.slice/cri-containerd-${ID}.scope`,
    { ...inPod, podUid: HASH },
  ],
  ["a pod's own directory, systemd", BURSTABLE, { kind: 'systemd', name: `kubepods-burstable-pod${UID_}.slice`, podUid: UID }],
  ["a pod's own directory, cgroupfs", `/kubepods/pod${UID}`, { kind: 'cgroup', name: `/kubepods/pod${UID}`, podUid: UID }],

  ['docker, systemd driver', `/system.slice/docker-${ID}.scope`, alone],
  ['docker, cgroupfs driver', `/docker/${ID}`, alone],
  ['docker in docker: the outer container', `/docker/${ID}/docker/${NODE_ID}`, alone],
  ['systemd in docker', `/system.slice/docker-${ID}.scope/system.slice/kubelet.service`, alone],
  ['podman', `/machine.slice/libpod-${ID}.scope`, alone],
  ['podman with crun', `/machine.slice/libpod-${ID}.scope/container`, alone],
  ['podman without root', `/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${ID}.scope/container`, alone],
  ['podman with split cgroups', `/system.slice/web.service/libpod-payload-${ID}`, alone],
  ['podman, cgroupfs driver', `/libpod_parent/libpod-${ID}`, alone],
  ['podman, cgroupfs driver, in a podman pod', `/libpod_parent/${NODE_ID}/libpod-${ID}`, alone],
  ['podman, systemd driver, in a podman pod', `/machine.slice/machine-libpod_pod_${NODE_ID}.slice/libpod-${ID}.scope`, alone],
  ["podman's conmon", `/machine.slice/libpod-conmon-${ID}.scope`, unit(`libpod-conmon-${ID}.scope`)],
  ["podman's health check runs outside", `/system.slice/${ID}.service`, unit(`${ID}.service`)],
  ['nerdctl', `/system.slice/nerdctl-${ID}.scope`, alone],
  ["containerd's namespace", `/k8s.io/${ID}`, alone],
  ['ECS', `/ecs/0a1b2c3d4e5f60718293a4b5c6d7e8f9/${ID}`, alone],

  ['a service', '/system.slice/nginx.service', unit('nginx.service')],
  ['an instance of a template', '/system.slice/system-getty.slice/getty@tty1.service', unit('getty@tty1.service')],
  ['an escaped name stays escaped', '/system.slice/dev-disk\\x2dby.service', unit('dev-disk\\x2dby.service')],
  ['a name that the kernel keeps for itself', '/system.slice/_cpu.service', unit('cpu.service')],
  ['what a service made below itself', '/system.slice/php.service/pool/worker-3', unit('php.service')],
  ["a user's service", '/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service', unit('foo.service')],
  ["a user's session", '/user.slice/user-1000.slice/session-4.scope', unit('session-4.scope')],
  ["a user's own manager", '/user.slice/user-1000.slice/user@1000.service/init.scope', unit('user@1000.service')],
  ['PID 1', '/init.scope', unit('init.scope')],
  ['a machine', '/machine.slice/machine-web.scope', unit('machine-web.scope')],
  ['a service in a machine', '/machine.slice/systemd-nspawn@web.service/payload/system.slice/nginx.service', unit('nginx.service')],
  ['slices only', '/user.slice/user-1000.slice', unit('user-1000.slice')],
  ['the root', '/', plain('/')],
  ['by hand', '/batch/job 7', plain('/batch/job 7')],
  ['by hand, below a slice', '/batch.slice/job', plain('/batch.slice/job')],
  ['LXC', '/lxc.payload.web', plain('/lxc.payload.web')],
  ['63 digits are no container id', `/docker/${ID.slice(1)}`, plain(`/docker/${ID.slice(1)}`)],
  ['65 digits are none either', `/docker/0${ID}`, plain(`/docker/0${ID}`)],
  ['a pod without a UID is none', '/pod7/worker', plain('/pod7/worker')],
  ['.service alone is no unit', '/a/.service', plain('/a/.service')],
]

for (const [what, path, identity] of TABLE) {
  t.test(`${what}: ${path.replaceAll(/[0-9a-f]{64}/g, '…')}`, async (t) => {
    t.strictSame(identifyCgroup(path), identity)
  })
}

t.test('10,000 made-up paths, long ones too, have a name each', async (t) => {
  let state = 42
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  const parts = [
    'pod',
    'kubepods',
    '.slice',
    '.scope',
    '.service',
    '-',
    '_',
    ':',
    '..',
    '\\x2d',
    ID,
    UID,
    UID_,
    HASH,
    'cri-containerd',
    'crio-conmon-',
    'libpod_parent',
    'init.scope',
    '\n',
    'é',
    '\u{1f408}',
    '0'.repeat(300),
    '-0'.repeat(120),
    'a:'.repeat(120),
    '\0',
    ' ',
    '',
  ]
  const kinds = new Set<string>()
  for (let n = 0; n < 10_000; n++) {
    let path = ''
    for (let depth = random(n % 100 === 0 ? 400 : 9); depth >= 0; depth--) {
      path += '/'
      for (let words = random(6); words > 0; words--) path += parts[random(parts.length)]
    }
    const identity = identifyCgroup(path)
    kinds.add(identity.kind)
    const wrong =
      identity.name === '' ||
      (identity.kind === 'container') !== (identity.containerId !== undefined) ||
      (identity.kind === 'container' && !/^[0-9a-f]{12}$/.test(identity.name)) ||
      (identity.podUid !== undefined && !/^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/.test(identity.podUid))
    if (wrong) t.fail(path, { identity })
  }
  t.equal(kinds.size, 3, 'of every kind')
})

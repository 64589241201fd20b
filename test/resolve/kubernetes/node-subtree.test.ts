import t from 'tap'
import { identifyCgroup, type PodCgroup } from '../../../src/resolve/cgroup-path.ts'
import { NodeSubtree } from '../../../src/resolve/kubernetes/node-subtree.ts'

const [OWN, OTHER, ID] = ['a', 'b', 'c'].map((digit) => digit.repeat(64))
const pod = (digit: string): string =>
  `/kubelet.slice/kubelet-pod${digit.repeat(8)}_1111_2222_3333_444444444444.slice/cri-containerd-${ID}.scope`
const learn = (subtree: NodeSubtree, path: string): void => subtree.learn(identifyCgroup(path) as PodCgroup)

t.test('before a pod of this node was seen nothing is left out', async (t) => {
  for (const partial of [true, false]) {
    const subtree = new NodeSubtree(partial)
    t.equal(subtree.elsewhere(7n, undefined), false)
    t.equal(subtree.elsewhere(7n, identifyCgroup(`/docker/${OTHER}${pod('2')}`)), false)
  }
})

t.test('a mount that shows the node alone: what it does not show is elsewhere', async (t) => {
  const subtree = new NodeSubtree(true)
  learn(subtree, pod('1'))
  t.equal(subtree.elsewhere(7n, undefined), true)
  t.equal(subtree.elsewhere(0n, undefined), false, 'a socket of no cgroup may be anybody’s')
  t.equal(subtree.elsewhere(8n, identifyCgroup(pod('2'))), false)
  t.equal(subtree.elsewhere(8n, identifyCgroup('/system.slice/kubelet.service')), false)
})

t.test('a mount that shows the host around: the node is the container that its pods are in', async (t) => {
  const subtree = new NodeSubtree(false)
  const before = subtree.generation
  learn(subtree, `/docker/${OWN}${pod('1')}`)
  t.ok(subtree.generation > before)
  learn(subtree, `/docker/${OWN}${pod('3')}`)
  t.equal(subtree.generation, before + 1)
  for (const [path, elsewhere] of [
    [`/docker/${OWN}${pod('2')}`, false],
    [`/docker/${OWN}/system.slice/kubelet.service`, false],
    [`/docker/${OTHER}${pod('2')}`, true],
    [`/docker/${OTHER}/system.slice/kubelet.service`, true],
    [`/system.slice/docker-${OTHER}.scope${pod('2')}`, true],
    [`/docker/${ID}`, true],
    ['/system.slice/ssh.service', true],
    [`/kubepods/pod11111111-2222-3333-4444-555555555555/${OWN}${pod('2')}`, false],
  ] as const) {
    t.equal(subtree.elsewhere(7n, identifyCgroup(path)), elsewhere, path)
  }
  t.equal(subtree.elsewhere(7n, undefined), false, 'it may have gone before it was seen')
})

t.test('a node that is no container leaves nothing out, not even a cluster in a container of its own', async (t) => {
  const subtree = new NodeSubtree(false)
  learn(subtree, pod('1'))
  for (const path of [pod('2'), '/system.slice/ssh.service', `/docker/${OTHER}${pod('2')}`, `/docker/${OTHER}`]) {
    t.equal(subtree.elsewhere(7n, identifyCgroup(path)), false, path)
  }
})

import t from 'tap'
import { formatAddress, parseAddress } from '../../../src/address.ts'
import type { Address } from '../../../src/model.ts'
import { type PeerPod, stripPeerPod } from '../../../src/resolve/kubernetes/peer-pod.ts'
import { PeerPods } from '../../../src/resolve/kubernetes/peer-pods.ts'
import { PublicPrefixes } from '../../../src/resolve/kubernetes/public-prefixes.ts'
import { aUid, type RawPod, rawPod } from './raw.ts'

const address = (text: string): Address => parseAddress(text) as Address
const pod = (raw: RawPod): PeerPod => stripPeerPod(rawPod(raw)) as PeerPod

function world() {
  const clock = { ms: 0 }
  const prefixes = new PublicPrefixes()
  const pods = new PeerPods({ nowMs: () => clock.ms }, prefixes)
  const at = (text: string): string | undefined => {
    const holder = pods.holder(address(text))
    return holder && `${holder.workload.namespace}/${holder.workload.name} on ${holder.node.key}`
  }
  /** All that is over is forgotten. */
  const later = (): void => {
    for (let n = 0; n < 2; n++) {
      clock.ms += 1000
      pods.collecting()
    }
  }
  return { clock, pods, at, prefixes, later }
}

t.test('pods by each of their addresses, while they live', async (t) => {
  const { pods, at, later } = world()
  const web = pod({ ips: ['10.1.0.1', 'fd00::1'], owner: ['StatefulSet', 'web'] })
  pods.put(web)
  t.equal(at('10.1.0.1'), 'shop/web on node-1')
  t.equal(at('fd00::1'), 'shop/web on node-1')
  t.equal(at('10.1.0.2'), undefined)
  pods.remove(web)
  t.equal(at('fd00::1'), 'shop/web on node-1', 'what is drained next may be of its time')
  later()
  t.equal(at('fd00::1'), undefined)
  t.equal(pods.size, 0)
})

t.test("a pod on its node's network never claims the node's address", async (t) => {
  const { pods, at } = world()
  pods.put(pod({ ips: ['10.0.0.9'], hostNetwork: true }))
  t.equal(at('10.0.0.9'), undefined)
  t.equal(pods.size, 0)
})

t.test('a pod that ends gives its address back though it still is listed, and to the next one', async (t) => {
  const { clock, pods, at, later } = world()
  const uid = aUid()
  pods.put(pod({ uid, ips: ['10.1.0.1'], owner: ['Job', 'import'] }))
  pods.put(pod({ uid, ips: ['10.1.0.1'], owner: ['Job', 'import'], phase: 'Succeeded' }))
  t.equal(pods.size, 0)
  clock.ms += 300
  pods.put(pod({ ips: ['10.1.0.1'], owner: ['Job', 'export'], started: '2025-01-01T00:01:00Z' }))
  later()
  t.equal(at('10.1.0.1'), 'shop/export on node-1')
})

t.test('a pod that changes its address, its owner or its node says so everywhere', async (t) => {
  const { pods, at, later } = world()
  const uid = aUid()
  pods.put(pod({ uid, ips: ['10.1.0.1'], node: '' }))
  const before = pods.generation
  pods.put(pod({ uid, ips: ['10.1.0.1'], node: 'node-2', owner: ['DaemonSet', 'agent'] }))
  t.ok(pods.generation > before)
  t.equal(at('10.1.0.1'), 'shop/agent on node-2')
  pods.put(pod({ uid, ips: ['10.1.0.7', 'fd00::7'], node: 'node-2', owner: ['DaemonSet', 'agent'] }))
  later()
  t.strictSame(['10.1.0.1', '10.1.0.7', 'fd00::7'].map(at), [undefined, 'shop/agent on node-2', 'shop/agent on node-2'])
})

t.test('what a new list does not name has gone; what it repeats has not changed', async (t) => {
  const { pods, at, later } = world()
  const [web, db] = [pod({ ips: ['10.1.0.1'], name: 'web' }), pod({ ips: ['10.1.0.2'], name: 'db' })]
  for (const one of [web, db]) pods.put(one)
  pods.listing()
  pods.put(web)
  const before = pods.generation
  pods.listed()
  t.ok(pods.generation > before)
  later()
  t.strictSame(['10.1.0.1', '10.1.0.2'].map(at), ['shop/web on node-1', undefined])
  const settled = pods.generation
  pods.listing()
  pods.put(web)
  pods.listed()
  t.equal(pods.generation, settled)
})

t.test('a pod made anew under its name with another UID is another', async (t) => {
  const { pods, at, later } = world()
  const [first, second] = [
    pod({ ips: ['10.1.0.1'], owner: ['StatefulSet', 'db'] }),
    pod({ ips: ['10.1.0.1'], owner: ['StatefulSet', 'db'], node: 'node-2', started: '2025-01-01T00:02:00Z' }),
  ]
  pods.put(first)
  pods.put(second)
  pods.remove(first)
  later()
  t.equal(at('10.1.0.1'), 'shop/db on node-2')
  t.equal(pods.size, 1)
})

t.test('public addresses of pods are told by their networks, and cleared with them', async (t) => {
  const { pods, prefixes, at } = world()
  pods.put(pod({ ips: ['2001:db8::5'] }))
  pods.put(pod({ ips: ['2001:db8::6'], uid: 'not a usual one'.replaceAll(' ', '-') }))
  t.strictSame(
    prefixes.list().map(({ address, bits }) => `${formatAddress(address)}/${bits}`),
    ['2001:db8::/64'],
  )
  pods.listed()
  t.equal(pods.synced, true)
  pods.clear()
  t.strictSame([prefixes.list().length, pods.size, pods.synced, at('2001:db8::5')], [0, 0, false, undefined])
})

t.test('10,000 made-up events, some lost, some late, and relists leave what a plain list of the pods says', async (t) => {
  let state = 11
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  const { clock, pods, at, later } = world()
  const live = new Map<string, PeerPod>()
  const free = Array.from({ length: 40 }, (_, n) => `10.3.0.${n}`)
  let started = 0
  let relists = 0
  const make = (): void => {
    const ip = free.splice(random(free.length), 1)[0]
    if (ip === undefined) return
    const started_ = new Date(1_750_000_000_000 + 1000 * started++).toISOString()
    const made = pod({ ips: [ip], owner: ['StatefulSet', `w${random(9)}`], node: `node-${random(4)}`, started: started_ })
    live.set(made.uid, made)
    pods.put(made)
  }
  const end = (): void => {
    const one = [...live.values()][random(live.size)]
    if (one === undefined) return
    live.delete(one.uid)
    free.push(formatAddress(one.addresses[0] as Address))
    // The news of its end may be lost, as in a watch that broke off, or come after that of the address' next holder.
    if (random(8) === 0) return
    if (random(3) === 0) make()
    pods.remove(one)
  }
  const relist = (): void => {
    relists++
    pods.listing()
    for (const one of live.values()) pods.put(one)
    pods.listed()
  }
  for (let n = 0; n < 10_000; n++) {
    clock.ms += random(30)
    const deed = random(100)
    if (deed < 45) make()
    else if (deed < 90) end()
    else if (deed < 97) pods.collecting()
    else relist()
    if (random(50) !== 0) continue
    relist()
    later()
    const wrong = [...live.values()].filter(
      (one) => at(formatAddress(one.addresses[0] as Address)) !== `shop/${one.workload} on ${one.node}`,
    )
    const haunted = free.filter((ip) => at(ip) !== undefined)
    if (wrong.length > 0 || haunted.length > 0 || pods.size !== live.size) {
      t.fail(`after ${n} deeds`, { wrong: wrong.length, haunted, size: pods.size, live: live.size })
      return
    }
  }
  t.ok(relists > 200)
})

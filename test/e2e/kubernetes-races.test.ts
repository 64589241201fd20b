// Names that come late, go, or change hands while there is traffic: nothing is lost, told twice, or given to somebody else.
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { removeCgroup } from '../harness/cgroups.ts'
import { DisplacedClocks } from '../harness/displaced-clocks.ts'
import { matching, type Scrape, sum } from '../harness/exposition.ts'
import { falls } from '../harness/flows.ts'
import { KubeNode, NODE, type PlacedPod } from '../harness/kube-node.ts'
import { containerIdOf, pod } from '../harness/kubernetes-objects.ts'
import { namedFlows } from '../harness/named-flows.ts'
import { onSite } from '../harness/site.ts'
import { connect, exchange, VISIT, visit } from '../harness/streams.ts'

const WEB = {
  namespace: 'shop',
  labels: { 'pod-template-hash': '7d4b9c6f5d' },
  owner: { kind: 'ReplicaSet', name: 'web-7d4b9c6f5d' },
} as const
const NAME = 'web-7d4b9c6f5d-aaaaa'
const ME = `shop/${NAME}/app Deployment/web`

const inShop = (scrape: Scrape) => namedFlows(scrape, { namespace: 'shop' })
/** A container without a name is told by its id. */
const shortId = ({ object }: PlacedPod): string => containerIdOf(object.metadata.uid, { name: 'app' }).slice(0, 12)
const nameless = (scrape: Scrape, pod: PlacedPod) => namedFlows(scrape, { workload: shortId(pod) })

const sums = (scrape: Scrape, labels: Readonly<Record<string, string>>) => ({
  sent: sum(scrape, 'orb8_flow_bytes_total', { ...labels, direction: 'egress' }),
  received: sum(scrape, 'orb8_flow_bytes_total', { ...labels, direction: 'ingress' }),
  opened: sum(scrape, 'orb8_tcp_connections_opened_total', labels),
})

/** Is it certain that the exporter still waits for what happened at `began`? Not on a machine that took too long. */
function patient(t: Test, began: number): boolean {
  const tookMs = performance.now() - began
  if (tookMs > 9000) t.comment(`too slow to see what waits: ${tookMs} ms`)
  return tookMs <= 9000
}

t.test(
  'a container that the API tells of three seconds after its first byte has every byte, and nobody else ever had one',
  onSite(async (t, site) => {
    const kube = await KubeNode.make(site)
    const exporter = await site.exporter(kube.options())
    const placed = kube.place({ ...WEB, name: NAME, ip: '10.244.1.10' })
    const [web, server] = [kube.agent(placed), site.agent({ namespace: kube.attach('afar', '10.99.0.1') })]
    await connect(server, web, { at: '10.99.0.1' })
    const began = performance.now()
    let sent = 0
    let seen = 0
    for (; performance.now() - began < 3000; sent += 10) {
      await exchange(server, web, 10, 0)
      const scrape = await exporter.scrape()
      const shown = { ...inShop(scrape), ...nameless(scrape, placed) }
      if (performance.now() - began < 9000) seen += Object.keys(shown).length
    }
    t.equal(seen, 0)
    kube.api.put(placed.object)
    const wanted = { [`${ME} client external`]: { sent, received: 0 } }
    if (patient(t, began)) t.same(await exporter.settled(wanted, inShop), wanted)
    t.same(nameless(await exporter.scrape(), placed), {})
    const [open] = matching(await exporter.scrape(), 'orb8_active_flows', { namespace: 'shop' })
    t.equal(open?.value, 1)
    t.match(
      matching(await exporter.scrape(), 'orb8_tcp_connect_seconds_count', { namespace: 'shop' }).map(({ value }) => value),
      [1],
      'how long it took waited too',
    )
  }),
)

t.test(
  'what never gets a name is told without after ten seconds, once; its pod’s name is enough for its sandbox',
  onSite(async (t, site) => {
    const kube = await KubeNode.make(site)
    const clocks = new DisplacedClocks(site.undo)
    const exporter = await site.exporter(kube.options(clocks.options))
    const stranger = kube.place({ ...WEB, name: 'stranger', ip: '10.244.1.11' })
    const known = kube.place({ ...WEB, name: NAME, ip: '10.244.1.10' })
    kube.api.put(known.object)
    const server = site.agent({ namespace: kube.attach('afar', '10.99.0.1') })
    const began = performance.now()
    await visit(server, kube.agent(stranger), '10.99.0.1')
    await visit(server, kube.agent(known, 'sandbox', 'f'.repeat(64)), '10.99.0.1')
    const early = await exporter.scrape()
    if (patient(t, began)) t.same({ ...inShop(early), ...nameless(early, stranger) }, {}, 'not before')
    clocks.set({ monotonicMs: 10_000 })
    const after = await exporter.scrape()
    t.same(inShop(after), { [`shop/${NAME} Deployment/web client external`]: VISIT })
    t.same(Object.values(nameless(after, stranger)), [VISIT])
    t.same(Object.values(nameless(await exporter.scrape(), stranger)), [VISIT], 'once')
  }),
)

t.test(
  'killed while traffic waits for its name, the next exporter has it all, and tells it once',
  onSite(async (t, site) => {
    const kube = await KubeNode.make(site)
    const { pins } = site.bpffs()
    const options = kube.options({ args: ['--pin-path', pins] })
    const first = await site.exporter(options)
    const placed = kube.place({ ...WEB, name: NAME, ip: '10.244.1.10' })
    const [web, server] = [kube.agent(placed), site.agent({ namespace: kube.attach('afar', '10.99.0.1') })]
    await connect(server, web, { at: '10.99.0.1' })
    await exchange(server, web, 1000, 10)
    const began = performance.now()
    const early = await first.scrape()
    if (patient(t, began)) t.same({ ...inShop(early), ...nameless(early, placed) }, {}, 'it waits')
    await first.die()
    await exchange(server, web, 200, 20)
    const second = await site.exporter(options)
    const later = await second.scrape()
    if (patient(t, began)) t.same({ ...inShop(later), ...nameless(later, placed) }, {}, 'it waits still')
    await second.die()
    kube.api.put(placed.object)
    const third = await site.exporter(options)
    await exchange(server, web, 3, 3)
    const all = { sent: 1203, received: 33, opened: 1 }
    const named = (scrape: Scrape) => sums(scrape, { namespace: 'shop' })
    if (patient(t, began)) t.same(await third.settled(all, named), all, 'under its name')
    const either = (scrape: Scrape) => {
      const [one, other] = [named(scrape), sums(scrape, { workload: shortId(placed) })]
      return { sent: one.sent + other.sent, received: one.received + other.received, opened: one.opened + other.opened }
    }
    t.same(await third.settled(all, either), all, 'once')
  }),
)

t.test(
  'a deleted pod keeps its series for five minutes, with a connection still open, and no counter falls',
  onSite(async (t, site) => {
    const kube = await KubeNode.make(site)
    const clocks = new DisplacedClocks(site.undo)
    const exporter = await site.exporter(kube.options(clocks.options))
    const web = kube.run({ ...WEB, name: NAME, ip: '10.244.1.10' })
    const other = kube.run({ namespace: 'shop', name: 'other', ip: '10.244.1.11' })
    const server = site.agent({ namespace: kube.attach('afar', '10.99.0.1') })
    await visit(server, other.agent, '10.99.0.1')
    await connect(server, web.agent, { at: '10.99.0.1' })
    await exchange(server, web.agent, 100, 7)
    const both = { [`${ME} client external`]: VISIT, 'shop/other/app Pod/other client external': VISIT }
    t.same(await exporter.settled(both, inShop), both)
    kube.api.remove(web.pod.object)
    await exporter.settled(1, (scrape) => scrape.samples.find(({ name }) => name === 'orb8_k8s_pods_tracked')?.value)
    const before = await exporter.scrape()
    clocks.set({ monotonicMs: 295_000 })
    const after = await exporter.scrape()
    t.same(inShop(after), both, 'after 295 s')
    t.same(falls(before, after), [])
    clocks.set({ monotonicMs: 302_000 })
    t.same(inShop(await exporter.scrape()), { 'shop/other/app Pod/other client external': VISIT }, 'after 302 s')
  }),
)

t.test(
  'a container restarted in place, and a pod made again under its name, go on counting under it',
  onSite(async (t, site) => {
    const kube = await KubeNode.make(site)
    const exporter = await site.exporter(kube.options())
    const server = site.agent({ namespace: kube.attach('afar', '10.99.0.1') })
    const ids = ['a', 'b', 'c'].map((letter) => letter.repeat(64))
    const stateful = { namespace: 'shop', name: 'db-0', owner: { kind: 'StatefulSet', name: 'db' } }
    const once = kube.place({ ...stateful, ip: '10.244.1.10', containers: [{ name: 'app', id: ids[0] as string }] })
    kube.api.put(once.object)
    await visit(server, kube.agent(once, 'app', ids[0]), '10.99.0.1')
    kube.api.put(pod({ ...stateful, node: NODE, ip: '10.244.1.10', containers: [{ name: 'app', id: ids[1] as string }] }))
    await visit(server, kube.agent(once, 'app', ids[1]), '10.99.0.1')
    const twice = { 'shop/db-0/app StatefulSet/db client external': { sent: 200, received: 14 } }
    t.same(await exporter.settled(twice, inShop), twice)
    kube.api.remove(once.object)
    const containers = [{ name: 'app', id: ids[2] as string }]
    const again = kube.place({ ...stateful, uid: '0f1e2d3c-0000-4000-8000-000000000002', ip: '10.244.1.11', containers })
    kube.api.put(again.object)
    await visit(server, kube.agent(again, 'app', ids[2]), '10.99.0.1')
    const thrice = { 'shop/db-0/app StatefulSet/db client external': { sent: 300, received: 21 } }
    t.same(await exporter.settled(thrice, inShop), thrice)
  }),
)

t.test(
  'an address that another pod has within a second: each pod’s traffic goes to the right one',
  onSite(async (t, site) => {
    const kube = await KubeNode.make(site)
    const exporter = await site.exporter(kube.options({ args: ['--collect-interval', '1h'] }))
    const web = kube.run({ ...WEB, name: NAME, ip: '10.244.1.10' })
    const address = '10.244.2.7'
    const elsewhere = { namespace: 'data', node: 'node-b', ip: address }
    const [first, second] = ['first', 'second'].map((name) => pod({ ...elsewhere, name }))
    if (first === undefined || second === undefined) throw new Error('there are two')
    kube.api.put(first)
    const server = site.agent({ namespace: kube.attach('afar', address) })
    await visit(server, web.agent, address)
    const before = { [`${ME} client pod data/first`]: VISIT }
    t.same(await exporter.settled(before, inShop), before)
    await visit(server, web.agent, address)
    kube.api.remove(first)
    await sleep(400)
    kube.api.put(second)
    await sleep(200)
    for (let i = 0; i < 3; i++) await visit(server, web.agent, address)
    const after = {
      [`${ME} client pod data/first`]: { sent: 200, received: 14 },
      [`${ME} client pod data/second`]: { sent: 300, received: 21 },
    }
    t.same(await exporter.settled(after, inShop), after)
  }),
)

t.test(
  'connections that outlive their pod’s cgroup keep its name',
  onSite(async (t, site) => {
    const shelter = site.cgroup('shelter')
    const kube = await KubeNode.make(site)
    const exporter = await site.exporter(kube.options())
    const placed = kube.place({ ...WEB, name: NAME, ip: '10.244.1.10' })
    kube.api.put(placed.object)
    const web = kube.agent(placed)
    const server = site.agent({ namespace: kube.attach('afar', '10.99.0.1') })
    await connect(server, web, { at: '10.99.0.1' })
    const wanted = { [`${ME} client external`]: { sent: 0, received: 0 } }
    t.same(await exporter.settled(wanted, inShop), wanted)
    await exchange(server, web, 100, 7)
    await web.say(`move ${shelter.directory}`)
    removeCgroup(placed.container(containerIdOf(placed.object.metadata.uid, { name: 'app' })))
    kube.api.remove(placed.object)
    await sleep(500)
    await exchange(server, web, 10, 1)
    const all = { [`${ME} client external`]: { sent: 110, received: 8 } }
    t.same(await exporter.settled(all, inShop), all)
  }),
)

// Names where the API server is slow, gone, or not to be asked, and where several nodes share a kernel.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Authority } from '../harness/authority.ts'
import { until } from '../harness/child.ts'
import { matching, type Scrape, sum } from '../harness/exposition.ts'
import { falls } from '../harness/flows.ts'
import { KubeNode } from '../harness/kube-node.ts'
import { containerIdOf, type PodOptions, pod } from '../harness/kubernetes-objects.ts'
import { namedFlows } from '../harness/named-flows.ts'
import { onSite, type Site } from '../harness/site.ts'
import { VISIT, visit } from '../harness/streams.ts'

const DATABASE = { namespace: 'data', node: 'node-b', ip: '10.244.2.7', owner: { kind: 'StatefulSet', name: 'postgres' } } as const

const inShop = (scrape: Scrape) => namedFlows(scrape, { namespace: 'shop' })
const connected = (scrape: Scrape): number => sum(scrape, 'orb8_k8s_watch_connected')

t.test(
  'an API server that goes away leaves all names as they were; back on another port with other versions, what changed is known',
  onSite(async (t, site) => {
    const kube = await KubeNode.make(site)
    kube.api.put(pod({ ...DATABASE, name: 'postgres-0' }))
    const exporter = await site.exporter(kube.options())
    const web = kube.run({ namespace: 'shop', name: 'web', ip: '10.244.1.10' })
    const server = site.agent({ namespace: kube.attach('afar', DATABASE.ip, '10.244.2.8') })
    await visit(server, web.agent, DATABASE.ip)
    const once = { 'shop/web/app Pod/web client pod data/postgres': VISIT }
    t.same(await exporter.settled(once, inShop), once)
    t.equal(await exporter.settled(4, connected), 4)
    await kube.api.stop()
    t.equal(await exporter.settled(0, connected), 0, 'it is told')
    await visit(server, web.agent, DATABASE.ip)
    const twice = { 'shop/web/app Pod/web client pod data/postgres': { sent: 200, received: 14 } }
    const during = await exporter.scrape()
    t.same(inShop(during), twice, 'the old index serves')
    t.equal((await exporter.get('/readyz')).status, 200)
    kube.api.put(pod({ ...DATABASE, name: 'postgres-1', ip: '10.244.2.8' }))
    const late = kube.place({ namespace: 'shop', name: 'late', ip: '10.244.1.11' })
    kube.api.put(late.object)
    await kube.api.restart({ port: 0, firstVersion: 5000 })
    // The file now names the other port.
    kube.options()
    await until('it to be followed again', async () => connected(await exporter.scrape()) === 4)
    await visit(server, kube.agent(late), '10.244.2.8')
    const all = { ...twice, 'shop/late/app Pod/late client pod data/postgres': VISIT }
    t.same(await exporter.settled(all, inShop), all)
    t.same(falls(during, await exporter.scrape()), [])
    t.ok(sum(await exporter.scrape(), 'orb8_k8s_watch_reconnections_total', { resource: 'pods' }) > 0)
  }),
)

t.test(
  'as a pod of the cluster it is let in by its service account, also by the next token',
  onSite(async (t, site) => {
    const folder = mkdtempSync(join(tmpdir(), 'orb8-test-ca-'))
    const remove = (): void => rmSync(folder, { recursive: true, force: true })
    site.undo.add({ gently: remove, atOnce: remove })
    const ca = new Authority(folder)
    const kube = await KubeNode.make(site, { certificate: ca.server('api-server'), tokens: ['first'] })
    const exporter = await site.exporter(kube.podOptions(ca, 'first'))
    const web = kube.run({ namespace: 'shop', name: 'web', ip: '10.244.1.10' })
    const server = site.agent({ namespace: kube.attach('afar', '10.99.0.1') })
    await visit(server, web.agent, '10.99.0.1')
    const once = { 'shop/web/app Pod/web client external': VISIT }
    t.same(await exporter.settled(once, inShop), once)
    kube.api.tokens = ['second']
    kube.podOptions(ca, 'second')
    kube.api.end()
    await until('watches again', () => kube.api.watching() === 4)
    t.equal(await exporter.settled(4, connected), 4)
  }),
)

t.test(
  'the exporter is ready when the cluster is listed, not before',
  onSite(async (t, site) => {
    const kube = await KubeNode.make(site)
    const began = performance.now()
    kube.api.plan({ verb: 'list', resource: 'services' }, { kind: 'drip', bytes: 10, everyMs: 1000 })
    const exporter = await site.exporter(kube.options())
    t.ok(performance.now() - began > 6000, `${performance.now() - began} ms`)
    t.match(exporter.log.join('\n'), /"listening"/)
  }),
)

t.test(
  'one that answers 403, or rubbish, is told of in the log and does no harm',
  onSite(async (t, site) => {
    const kube = await KubeNode.make(site)
    const exporter = await site.exporter(kube.options())
    kube.api.say('rubbish\n', 'pods')
    kube.api.say(`${JSON.stringify({ type: 'ADDED', object: { metadata: { resourceVersion: kube.api.version } } })}\n`, 'services')
    const skips = (scrape: Scrape) =>
      Object.fromEntries(
        matching(scrape, 'orb8_k8s_skipped_total').map(({ labels, value }) => [`${labels.resource} ${labels.reason}`, value]),
      )
    const wanted = { 'pods garbage': 1, 'peers garbage': 1, 'services malformed': 1 }
    t.same(await exporter.settled(wanted, skips), wanted)
    kube.api.plan({}, { kind: 'status', status: 403, message: 'no' }, 100)
    kube.api.cut()
    await until('a line about it', () => exporter.log.some((line) => line.includes('403')))
    t.match(exporter.log.join('\n'), /the role needs list and watch on it/)
    t.equal((await exporter.get('/healthz')).status, 200)
  }),
)

function logs(site: Site, ...pods: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'orb8-test-logs-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  site.undo.add({ gently: remove, atOnce: remove })
  for (const name of pods) mkdirSync(join(folder, name), { recursive: true })
  return folder
}

t.test(
  'without the API pods have the names of their logs’ directories',
  onSite(async (t, site) => {
    const kube = await KubeNode.make(site)
    const web = kube.place({ namespace: 'shop', name: 'web', ip: '10.244.1.10' })
    const late = kube.place({ namespace: 'shop', name: 'late', ip: '10.244.1.11' })
    const directory = (placed: typeof web): string => `shop_${placed.object.metadata.name}_${placed.object.metadata.uid}/app`
    const folder = logs(site, directory(web))
    const exporter = await site.exporter(kube.options({ env: { ORB8_KUBERNETES: 'off', ORB8_POD_LOGS_DIR: folder } }))
    const server = site.agent({ namespace: kube.attach('afar', DATABASE.ip) })
    await visit(server, kube.agent(web), DATABASE.ip)
    const first = { 'shop/web/app Pod/web client external': VISIT }
    t.same(await exporter.settled(first, inShop), first)
    await visit(server, kube.agent(late), DATABASE.ip)
    await exporter.scrape()
    mkdirSync(join(folder, directory(late)), { recursive: true })
    const both = { ...first, 'shop/late/app Pod/late client external': VISIT }
    t.same(await exporter.settled(both, inShop), both)
    t.same(kube.api.asked, [], 'nobody was asked')
  }),
)

t.test(
  'an API server that is not there: the logs’ directories name pods, and its answer wins when it comes',
  onSite(async (t, site) => {
    const kube = await KubeNode.make(site)
    const web = kube.place({ namespace: 'shop', name: 'web-0', ip: '10.244.1.10', owner: { kind: 'StatefulSet', name: 'web' } })
    const folder = logs(site, `shop_web-0_${web.object.metadata.uid}/app`)
    await kube.api.stop()
    const exporter = await site.exporter(kube.options({ env: { ORB8_POD_LOGS_DIR: folder } }))
    const server = site.agent({ namespace: kube.attach('afar', DATABASE.ip) })
    await visit(server, kube.agent(web), DATABASE.ip)
    const byLogs = { 'shop/web-0/app Pod/web-0 client unknown': VISIT }
    t.same(await exporter.settled(byLogs, inShop), byLogs)
    kube.api.put(web.object)
    await kube.api.restart()
    await until('it to be followed', async () => connected(await exporter.scrape()) === 4)
    await visit(server, kube.agent(web), DATABASE.ip)
    const all = { ...byLogs, 'shop/web-0/app StatefulSet/web client external': VISIT }
    t.same(await exporter.settled(all, inShop), all)
  }),
)

t.test(
  'of two nodes that are containers of one host each counts its own pods only',
  onSite(async (t, site) => {
    const kube = await KubeNode.make(site)
    const nodes = ['1', '2'].map((digit) => site.cgroup(`docker-${digit.repeat(64)}.scope`))
    const place = (options: PodOptions, around = 0) => kube.place(options, 'systemd containerd', nodes[around])
    const own = place({ namespace: 'shop', name: 'web', ip: '10.244.1.10' })
    const others = place({ namespace: 'shop', name: 'other', node: 'node-b', ip: '10.244.2.10' }, 1)
    kube.api.put(own.object, others.object)
    const exporter = await site.exporter(kube.options())
    const server = site.agent({ namespace: kube.attach('afar', DATABASE.ip) })
    await visit(server, kube.agent(own), DATABASE.ip)
    const wanted = { 'shop/web/app Pod/web client external': VISIT }
    t.same(await exporter.settled(wanted, inShop), wanted)
    await visit(server, kube.agent(others), DATABASE.ip)
    const kubelet = nodes[1] === undefined ? undefined : site.agent({ cgroup: nodes[1], namespace: kube.network })
    if (kubelet !== undefined) await visit(server, kubelet, DATABASE.ip)
    await visit(server, kube.agent(own), DATABASE.ip)
    const again = { 'shop/web/app Pod/web client external': { sent: 200, received: 14 } }
    t.same(await exporter.settled(again, inShop), again)
    const neighbours = [containerIdOf(others.object.metadata.uid, { name: 'app' }), '2'.repeat(64)].map((id) => id.slice(0, 12))
    const last = await exporter.scrape()
    t.same(
      neighbours.map((workload) => sum(last, 'orb8_flow_bytes_total', { workload })),
      [0, 0],
    )
  }),
)

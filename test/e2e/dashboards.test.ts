// Every dashboard on what a real exporter counted on a node with pods, Services, zones, GPUs and a collector: asked by Debian's Prometheus,
// drawn in Debian's Chromium. And the exporter's own page there.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Child, until } from '../harness/child.ts'
import { look } from '../harness/chromium.ts'
import { seenIn } from '../harness/dashboard-look.ts'
import { DASHBOARDS, filled, queriesOf } from '../harness/dashboards.ts'
import { twoEnds } from '../harness/ends.ts'
import { type GpuMachine, gpuMachine } from '../harness/gpu-machine.ts'
import { KubeNode } from '../harness/kube-node.ts'
import { containerIdOf, node, pod, service } from '../harness/kubernetes-objects.ts'
import { has } from '../harness/namespaces.ts'
import { Collector } from '../harness/otlp/collector.ts'
import { countRuns } from '../harness/program-runs.ts'
import { Prometheus } from '../harness/prometheus.ts'
import { RdmaTree } from '../harness/rdma.ts'
import { ROOT, RULE_FILES } from '../harness/rules.ts'
import { onSite, type Site } from '../harness/site.ts'
import { connect, exchange } from '../harness/streams.ts'
import type { Agent } from '../harness/traffic.ts'

const skip = has('prometheus') && has('chromium') ? false : 'no prometheus or chromium'
const LIMIT_MS = 300_000
const PATIENCE_MS = 60_000

/** Panels without data here, and why: test/dashboards fills them with data of its own. */
const EMPTY: Readonly<Record<string, string>> = {
  'orb8-exporter: Programs that the kernel refused': 'it is empty where all is well',
}

/** Those that show 0, and nothing else, where all is well. */
const ZERO: ReadonlySet<string> = new Set(
  [
    ...['Flows without room', 'Sockets not watched', 'Programs refused', 'Collectors that fail'],
    ...['Time in which nothing was counted', 'Flows without room in the map', 'Their bytes', 'Flows past the series limit'],
  ].map((title) => `orb8-exporter: ${title}`),
)

const WEB = { namespace: 'shop', name: 'web-7d4b9c6f5d-x2x9p', owner: { kind: 'ReplicaSet', name: 'web-7d4b9c6f5d' } } as const
const DATABASE = { namespace: 'data', owner: { kind: 'StatefulSet', name: 'postgres' } } as const
/** Whom the kubelet names as the holder of the first GPU. */
const TRAIN = { namespace: 'ml', name: 'train-0', containers: [{ name: 'main' }], owner: { kind: 'Job', name: 'train' } } as const
const AT = {
  web: '10.244.1.10',
  database: '10.244.1.9',
  service: '10.96.0.7',
  train: '10.244.1.20',
  afar: '10.244.2.7',
  payments: '10.99.0.1',
}
/** Over a megabyte a second for the five minutes of a rate. */
const TRAINING_BYTES = 200e6

interface Ends {
  readonly web: Agent
  readonly database: Agent
  readonly train: Agent
  /** A pod of another node in another zone, and something outside the cluster. */
  readonly afar: Agent
  /** One more sample of the training's process, and more words on the wire. */
  readonly compute: () => void
}

const SENT = 'mlx5_0/ports/1/counters/port_xmit_data'

function populate(site: Site, kube: KubeNode, { driver }: GpuMachine, rdma: RdmaTree): Ends {
  const addresses = [{ type: 'InternalIP', address: '10.250.0.2' }] as const
  kube.api.put(
    node({ name: 'node-b', zone: 'eu-1b', podCidrs: ['10.244.2.0/24'], addresses }),
    pod({ ...DATABASE, name: 'postgres-1', node: 'node-b', ip: AT.afar }),
    service({ name: 'db', namespace: 'data', clusterIp: AT.service }),
  )
  const web = kube.run({ ...WEB, ip: AT.web })
  // What translates the Service's address on a real node is left out: the server has it too.
  const database = kube.place({ ...DATABASE, name: 'postgres-0', ips: [AT.database, AT.service] })
  kube.api.put(pod({ ...DATABASE, name: 'postgres-0', ip: AT.database }))
  const train = kube.run({ ...TRAIN, ip: AT.train })
  const computing = new Child(site.undo, 'sleep', ['600'])
  const container = train.pod.container(containerIdOf(train.pod.object.metadata.uid, { name: 'main' }))
  writeFileSync(join(container.directory, 'cgroup.procs'), String(computing.pid))
  let words = 0
  const compute = (): void => {
    driver.change({ '0.compute': `${computing.pid}:5242880`, '0.samples': `${computing.pid}:${(Date.now() - 500) * 1000}:60` })
    words += 1e9
    rdma.write({ [SENT]: words })
  }
  const afar = site.agent({ namespace: kube.attach('afar', AT.afar, AT.payments) })
  return { web: web.agent, database: kube.agent(database), train: train.agent, afar, compute }
}

const PORT = 5432

/** Servers listen on one port, so that each round goes on with the series of the one before. */
async function serve({ web, database, afar }: Ends): Promise<void> {
  for (const server of [web, database, afar]) await server.each('socket l 4 tcp', `bind l 0.0.0.0 ${PORT}`, 'listen l')
}

async function call(server: Agent, client: Agent, at: string, up = 1e6, down = 2e6): Promise<void> {
  await client.each('socket c 4 tcp', `connect c ${at} ${PORT}`)
  await server.say('accept l s')
  await exchange(server, client, up, down)
  await client.say('close c')
  await server.say('close s')
}

/** Some of everything that a panel shows. */
async function traffic({ web, database, train, afar, compute }: Ends): Promise<void> {
  for (const at of [AT.database, AT.service]) await call(database, web, at)
  await call(database, afar, AT.database)
  await call(web, afar, AT.web)
  await call(afar, web, AT.payments)
  await call(web, web, '127.0.0.1', 1000, 1000)
  for (let i = 0; i < 20; i++) {
    await web.say('socket x 4 tcp')
    await web.attempt(`connect x ${AT.database} 9`)
    await web.say('close x')
  }
  // Two fit into an accept queue of length 1; whoever comes then is turned away.
  await database.each('socket q 4 tcp', `bind q ${AT.database} 0`)
  const { port } = await database.say('listen q 1')
  for (let i = 0; i < 6; i++) await web.each(`socket b${i} 4 tcp`, `begin b${i} ${AT.database} ${port}`)
  // More than a receive buffer holds.
  await database.each('socket u 4 udp', `bind u ${AT.database} 5353`)
  await web.each('socket d 4 udp', `sendto d ${AT.database} 5353 1000 2000`)
  await call(afar, train, AT.payments, TRAINING_BYTES, TRAINING_BYTES)
  for (let i = 0; i < 6; i++) await web.say(`close b${i}`)
  await database.each('close q', 'close u')
  compute()
}

/** By its own scrapes, so that they are over when it resolves. */
async function scraped(prometheus: Prometheus, times: number): Promise<void> {
  const count = async (): Promise<number> => (await prometheus.query('count_over_time(orb8_build_info[10m])', 'job')).orb8 ?? 0
  const wanted = (await count()) + times
  await until(`${times} scrapes`, async () => (await count()) >= wanted)
}

t.test(
  'no panel of any dashboard is empty on what a real exporter tells, and Chromium draws them all',
  { skip },
  onSite(async (t, site) => {
    const kube = await KubeNode.make(site)
    const gpus = await gpuMachine(site.undo)
    const collector = await Collector.start(site.undo)
    countRuns(site.undo)
    const rdma = new RdmaTree(site.undo, { [SENT]: 0 })
    const ends = populate(site, kube, gpus, rdma)
    await serve(ends)
    const env = {
      ...gpus.env,
      ORB8_CIDRS: 'payments=10.99.0.0/16',
      ORB8_FLOW_LABELS: 'all',
      // Others on this machine may fill the default's.
      ORB8_SERIES_LIMIT: '200000',
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.port}`,
      OTEL_METRIC_EXPORT_INTERVAL: '2000',
    }
    const exporter = await site.exporter(kube.options({ env, wrapper: rdma.wrapper }))
    const targets = [{ targets: [`127.0.0.1:${exporter.port}`], labels: { cluster: 'lab', zone: 'eu-1a', node: 'node-a' } }]
    const scrape = { orb8: { static_configs: targets } }
    const prometheus = await Prometheus.start(
      site.undo,
      { orb8: exporter.port },
      { rules: RULE_FILES.map((path) => join(ROOT, path)), intervalS: 2, scrape },
    )
    // What a counter has when it is first seen is no rate yet.
    await traffic(ends)
    gpus.dcgm.respond = (_, response) => response.writeHead(500).end()
    await scraped(prometheus, 2)
    gpus.dcgm.respond = undefined
    kube.api.cut()
    await traffic(ends)
    await scraped(prometheus, 2)
    await traffic(ends)
    // A line has two points at least.
    await scraped(prometheus, 3)

    const missing = async (): Promise<string[]> => {
      const empty: string[] = []
      for (const dashboard of DASHBOARDS) {
        for (const { panel, target } of queriesOf(dashboard)) {
          const numbers = (await prometheus.vector(filled(target.expr))).filter(({ value }) => Number.isFinite(Number(value[1])))
          if (numbers.length === 0) empty.push(`${dashboard.uid}: ${panel.title}`)
        }
      }
      return empty
    }
    let empty: string[] = []
    await until(
      'all panels but those that must be empty',
      async () => {
        empty = await missing()
        return empty.every((name) => name in EMPTY)
      },
      PATIENCE_MS,
    ).catch(() => undefined)
    t.same(empty.sort(), Object.keys(EMPTY).sort())

    const { panels, console } = await seenIn(
      site.undo,
      prometheus,
      DASHBOARDS,
      process.env.LOOK ? { screenshot: '/tmp/x-inst/all.png' } : {},
    )
    t.same(console, [], 'nothing goes wrong in the page')
    const titles = DASHBOARDS.flatMap((one) => one.panels.filter(({ type }) => type !== 'row').map(({ title }) => `${one.uid}: ${title}`))
    t.same(
      panels.map(({ name }) => name),
      titles,
    )
    for (const { name, values, most, texts, drawn } of panels.filter(({ name }) => !(name in EMPTY))) {
      const visible = drawn.filter(({ width, height }) => width > 0 || height > 0)
      t.ok(values > 0 && visible.length > 0, `${name} shows ${values} values by ${visible.length} shapes`)
      t.notMatch(texts, /No data|undefined|NaN/)
      if (!ZERO.has(name)) t.ok(most > 0, `${name} shows at most ${most}`)
    }
    const map = panels.find(({ name }) => name === 'orb8-service-map: Who talks to whom')?.texts
    for (const name of ['shop web', 'data postgres', 'ml train', 'external: payments']) t.match(map, name)
  }, LIMIT_MS),
)

t.test(
  'the same page says so of every panel where Prometheus has nothing',
  { skip },
  onSite(async (t, site) => {
    const prometheus = await Prometheus.start(site.undo, {})
    const { panels, console } = await seenIn(site.undo, prometheus, DASHBOARDS)
    t.same(console, [])
    t.not(panels.length, 0)
    for (const { name, texts, values, drawn } of panels)
      t.same({ texts, values, drawn }, { texts: `${name.replace(/^[\w-]+: /, '')}No data`, values: 0, drawn: [] }, name)
  }, LIMIT_MS),
)

/** Rows of the table of flows, each a list of words. */
const rowsOf = (dom: string): string[] =>
  [...dom.matchAll(/<tr>(<th scope="row">.*?)<\/tr>/g)].map(([, row = '']) =>
    row
      .replaceAll(/<[^>]*>/g, ' ')
      .replaceAll(/\s+/g, ' ')
      .trim(),
  )

t.test(
  'the landing page shows the flows that there are, without a complaint of the browser, and the same without scripts',
  { skip: has('chromium') ? false : 'no chromium' },
  onSite(async (t, site) => {
    const { server, client, exporter, cgroups } = await twoEnds(t, site)
    await connect(server, client)
    // Whoever else sends here sends less.
    await exchange(server, client, 300e6, 100e6)
    await exporter.scrape()
    const { dom, console } = await look(site.undo, `http://127.0.0.1:${exporter.port}/`)
    t.same(console, [], 'its policy forbids nothing that it has')
    const rows = rowsOf(dom)
    for (const [role, { workload }] of Object.entries(cgroups)) {
      const row = rows.find((words) => words.includes(workload))
      t.match(row, new RegExp(`[36]00 MB.* loopback .* tcp ${role}$`), `${role}: ${row}`)
    }

    const folder = mkdtempSync(join(tmpdir(), 'orb8-test-landing-'))
    const remove = (): void => rmSync(folder, { recursive: true, force: true })
    site.undo.add({ gently: remove, atOnce: remove })
    writeFileSync(join(folder, 'page.html'), (await exporter.get('/')).body)
    writeFileSync(join(folder, 'empty.html'), '<!DOCTYPE html>')
    /** In a frame that may run scripts, or may not. */
    const picture = async (name: string, allowed: 'allow-scripts' | ''): Promise<Buffer> => {
      const [frame, screenshot] = [join(folder, 'frame.html'), join(folder, 'picture.png')]
      writeFileSync(frame, `<!DOCTYPE html><iframe sandbox="${allowed}" src="${name}.html" width="1300" height="2900"></iframe>`)
      await look(site.undo, `file://${frame}`, { screenshot })
      return readFileSync(screenshot)
    }
    const [without, blank] = [await picture('page', ''), await picture('empty', '')]
    t.notOk(without.equals(blank), 'something is there to see')
    t.ok(without.equals(await picture('page', 'allow-scripts')), 'it looks the same')
  }, LIMIT_MS),
)

// The exporter: wires the stages, owns start and stop. Counts nothing itself.
import { setFlagsFromString } from 'node:v8'
import { FlowCollector } from './collect/flows.ts'
import type { Config } from './config.ts'
import { KernelError } from './errors.ts'
import { libbpfVersion, setLibbpfLog } from './kernel/libbpf.ts'
import { returnBigBuffers } from './kernel/malloc.ts'
import { SocketDatapath, type Totals } from './kernel/socket-datapath.ts'
import { createLogger, type Logger } from './log.ts'
import type { Flow, Snapshot } from './model.ts'
import { createServer, type Server } from './publish/http.ts'
import { createOtlp } from './publish/otlp.ts'
import { createRecent } from './publish/recent.ts'
import { createRounds, type Rounds } from './publish/rounds.ts'
import { createSelf, type Self } from './publish/self.ts'
import { type CgroupIndex, openCgroupIndex } from './resolve/cgroup-index.ts'
import { findCgroupRoot } from './resolve/cgroup-root.ts'
import { createResolver } from './resolve/flows.ts'
import { createHostAddresses } from './resolve/host-addresses.ts'
import { prefixRules } from './resolve/prefix-rules.ts'
import { createStore } from './store/store.ts'
import { VERSION } from './version.ts'

const COLLECTOR = 'flows'
/** How long a collection that is under way at the end may still take. */
const LAST_COLLECTION_MS = 3000
/** Interfaces come and go with pods; the trie only has to follow within a minute. */
const PREFIX_REFRESH_MS = 10_000

/** Runs until SIGTERM or SIGINT, then lets everything go and ends the process with 0. Throws Orb8Error where it cannot start. */
export async function runExporter(config: Config, warnings: readonly string[]): Promise<void> {
  const log = createLogger(config.logLevel)
  for (const warning of warnings) log.warn(warning)
  const undo: (() => Promise<void> | void)[] = []
  const end = async (): Promise<void> => {
    for (const step of undo.reverse()) await step()
    undo.length = 0
  }
  try {
    await start(config, log, undo)
  } catch (error) {
    await end()
    throw error
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log.info({ signal }, 'ending')
      end().then(
        () => process.exit(0),
        (error) => {
          log.error({ err: error }, 'could not end cleanly')
          process.exit(1)
        },
      )
    })
  }
}

async function start(config: Config, log: Logger, undo: (() => Promise<void> | void)[]): Promise<void> {
  returnBigBuffers()
  setLibbpfLog((_level, line) => log.debug({ libbpf: line }))
  const self = createSelf({ version: VERSION, libbpfVersion: libbpfVersion() })
  const recent = createRecent()
  const otlp = createOtlp({ settings: config, version: VERSION, self, log })
  undo.push(() => otlp?.close())
  let collected = false
  let rounds: Rounds<Snapshot> | undefined
  const started = Promise.withResolvers<Rounds<Snapshot>>()
  started.promise.catch(() => undefined)

  const server = await createServer({
    listen: config.listen,
    report: (error) => log.error({ err: error }, 'an answer failed'),
    self,
    scrape: async () => (await started.promise).join(),
    latest: recent.latest,
    earlier: recent.earlier,
    health: () => rounds?.health() ?? { ok: true, reason: 'ok' },
    ready: () => (collected ? { ok: true, reason: 'ok' } : { ok: false, reason: 'the first collection is not done' }),
    info: { version: VERSION, nodeName: config.nodeName },
  })
  undo.push(() => server.close())

  const root = await findCgroupRoot(config.cgroupRoot)
  if (root.warning !== undefined) log.warn(root.warning)
  const [cgroups, datapath] = await Promise.all([
    openCgroupIndex(root.path, { warn: (message) => log.warn(message) }).then((index) => {
      undo.push(() => index.close())
      return index
    }),
    load(config, root.path, self, log).then((loaded) => {
      undo.push(() => loaded[Symbol.asyncDispose]())
      return loaded
    }),
  ])

  const collect = collection(config, datapath, cgroups, self)
  rounds = createRounds(async () => {
    const snapshot = await collect()
    recent.add(snapshot)
    otlp?.add(snapshot)
    collected = true
    return snapshot
  })
  undo.push(collectEvery(config.collectIntervalMs, rounds, log))
  const { join } = rounds
  // What was counted since the last collection goes out with the last export.
  if (otlp !== undefined) undo.push(() => withinLimit(join()))
  started.resolve(rounds)
  keepYoungHeapSmall()
  log.info({ address: shownAddress(server) }, 'listening')
}

async function load(config: Config, cgroupRoot: string, self: Self, log: Logger): Promise<SocketDatapath> {
  const began = performance.now()
  const { flowEntries, sockets } = config
  const datapath = await SocketDatapath.start({ cgroupRoot, flowEntries, sockets, prefixes: prefixRules(config.cidrs) })
  const seconds = (performance.now() - began) / 1000
  self.loadSeconds(seconds)
  for (const [program, loaded] of datapath.programs()) self.programLoaded(program, loaded)
  for (const [map, entries] of datapath.capacities()) self.mapCapacity(map, entries)
  for (const { program, reason, remedy } of datapath.refused) log.warn({ program, reason, remedy }, 'the kernel refused a program')
  log.info({ seconds, cgroupRoot, kernelMemoryLimitBytes: datapath.memoryLimitBytes() }, 'counting')
  return datapath
}

/** One collection: what the kernel counted, named, added up. */
function collection(config: Config, datapath: SocketDatapath, cgroups: CgroupIndex, self: Self): () => Promise<Snapshot> {
  const collector = new FlowCollector(datapath)
  const hostAddresses = createHostAddresses()
  const resolver = createResolver({ cgroups, networks: config.cidrs, hostAddresses, maxEntries: config.flowEntries })
  const store = createStore(config)
  let prefixesMs = performance.now()

  const take = async (flows: readonly Flow[]): Promise<void> => {
    await cgroups.ensure(new Set(flows.map(({ key }) => key.cgroup)))
    for (const flow of flows) store.add(resolver.resolve(flow))
  }
  const run = async (): Promise<Snapshot> => {
    hostAddresses.refresh()
    if (performance.now() - prefixesMs > PREFIX_REFRESH_MS) {
      datapath.setPrefixes(prefixRules(config.cidrs))
      prefixesMs = performance.now()
    }
    const { totals, entries } = await collector.collect(take)
    self.mapEntries('flows', entries.flows)
    self.mapEntries('overflow', entries.overflow)
    self.mapEntries('prefixes', datapath.prefixCount())
    tellTotals(self, totals)
    const snapshot = store.snapshot(Date.now())
    const stats = store.stats()
    self.series(stats.series)
    self.seriesOverflow(stats.seriesOverflow)
    self.attributedBytes(stats.attributedBytes)
    return snapshot
  }
  return async () => {
    const began = performance.now()
    const seconds = (): number => (performance.now() - began) / 1000
    try {
      const snapshot = await run()
      self.collected(COLLECTOR, seconds())
      return snapshot
    } catch (error) {
      self.collectionFailed(COLLECTOR, error instanceof KernelError ? error.code : 'internal', seconds())
      throw error
    }
  }
}

function tellTotals(self: Self, totals: Totals): void {
  self.socketsTracked(totals.tracked)
  self.socketsUntracked('limit', totals.untrackedLimit)
  self.socketsUntracked('memory', totals.untrackedMemory)
  self.flowOverflow(totals.overflowFlows, totals.overflowBytes)
}

/** Collects now and in the background, told in the log once per change. Returns what ends it. */
function collectEvery(intervalMs: number, rounds: Rounds<Snapshot>, log: Logger): () => Promise<void> {
  let failing = ''
  let last: Promise<void> = Promise.resolve()
  const collect = (): void => {
    last = rounds.join().then(
      () => {
        if (failing !== '') log.info('collecting works again')
        failing = ''
      },
      (error: Error) => {
        if (error.message !== failing) log.error({ err: error }, 'a collection failed')
        failing = error.message
      },
    )
  }
  const timer = setInterval(collect, intervalMs)
  collect()
  return async () => {
    clearInterval(timer)
    await withinLimit(last)
  }
}

async function withinLimit(collection: Promise<unknown>): Promise<void> {
  const limit = new Promise((resolve) => setTimeout(resolve, LAST_COLLECTION_MS).unref())
  await Promise.race([collection.catch(() => undefined), limit])
}

/**
 * Each collection makes some megabytes of objects that die at once. V8 would double the space for new ones again and again, to
 * 128 MiB with 100,000 lines; kept as it is at the start (16 MiB) a scrape takes a tenth more CPU, and 80 MiB less stay resident.
 */
function keepYoungHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
}

function shownAddress({ host, port }: Server): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

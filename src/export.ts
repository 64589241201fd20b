// The exporter: wires the stages, owns start and stop. Counts nothing itself.
import { setFlagsFromString } from 'node:v8'
import { FlowCollector, type Step } from './collect/flows.ts'
import { type FollowedCluster, followCluster } from './commands/export/cluster.ts'
import { type Devices, openDevices } from './commands/export/devices.ts'
import { ExtraRounds } from './commands/export/extra-rounds.ts'
import { createKernelCost } from './commands/export/kernel-cost.ts'
import { createNaming, PATIENCE_MS } from './commands/export/naming.ts'
import type { Listener } from './commands/export/source.ts'
import { Stages } from './commands/export/stages.ts'
import { type Opened, openStore } from './commands/load/open-store.ts'
import { type Counting, openPins, startCounting } from './commands/load/start-counting.ts'
import { openWebFile } from './config/web-file.ts'
import type { Config } from './config.ts'
import { KernelError } from './errors.ts'
import { openCrypt } from './kernel/crypt.ts'
import type { DialNews } from './kernel/dial-observers.ts'
import { leaveAtOnce } from './kernel/leave.ts'
import { libbpfVersion, setLibbpfLog } from './kernel/libbpf.ts'
import { returnBigBuffers } from './kernel/malloc.ts'
import type { PinDirectory } from './kernel/pins.ts'
import { widenPool } from './kernel/pool.ts'
import type { Totals } from './kernel/socket-datapath.ts'
import { createLogger, type Logger } from './log.ts'
import type { Snapshot } from './model.ts'
import { tellDoor } from './publish/door-log.ts'
import { createServer } from './publish/http.ts'
import { checkOtlp, createOtlp, type Otlp } from './publish/otlp.ts'
import { createRecent } from './publish/recent.ts'
import { createRounds, type Rounds } from './publish/rounds.ts'
import { createSelf, type Self } from './publish/self.ts'
import { type CgroupIndex, openCgroupIndex } from './resolve/cgroup-index.ts'
import { findCgroupRoot } from './resolve/cgroup-root.ts'
import { createResolver } from './resolve/flows.ts'
import { createHostAddresses } from './resolve/host-addresses.ts'
import type { KubernetesNames } from './resolve/kubernetes/names.ts'
import { prefixRules } from './resolve/prefix-rules.ts'
import { VERSION } from './version.ts'

const COLLECTOR = 'flows'
/** How long a collection that is under way at the end may still take. */
const LAST_COLLECTION_MS = 3000
/** Of libuv's pool; half of them for calls to GPUs, which may hang for good. */
const POOL_THREADS = 8
/** Interfaces come and go with pods; the trie only has to follow within a minute. */
const PREFIX_REFRESH_MS = 10_000

/**
 * By how much old objects may become more before V8 looks through all of them. Left alone it grants a heap that hardly grows no more than
 * what one space of new objects takes: with 50,000 series every tenth collection was then held up for 40 to 100 ms.
 */
const OLD_HEAP_PERCENT = 30

/** What the exporter asks the time, and whom it tells where it is: for tests. */
export interface World {
  /** Called before each step of a collection. */
  readonly step?: (name: Step) => void
  /** CLOCK_MONOTONIC, ns: the programs measure by it how long nobody has read. */
  readonly nowNs?: () => bigint
  /** ms since the epoch. */
  readonly nowMs?: () => number
}

/** Runs until SIGTERM or SIGINT, then lets everything go and ends the process with 0. Throws Orb8Error where it cannot start. */
export async function runExporter(config: Config, warnings: readonly string[], world: World = {}): Promise<void> {
  const log = createLogger(config.logLevel)
  for (const warning of warnings) log.warn(warning)
  const undo: (() => Promise<void> | void)[] = []
  const end = async (): Promise<void> => {
    for (const step of undo.reverse()) await step()
    undo.length = 0
  }
  let devices: Devices
  try {
    devices = await start(config, log, undo, world)
  } catch (error) {
    await end()
    throw error
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log.info({ signal }, 'ending')
      end().then(
        () => (devices.hangs ? leaveAtOnce(0) : process.exit(0)),
        (error) => {
          log.error({ err: error }, 'could not end cleanly')
          process.exit(1)
        },
      )
    })
  }
}

async function start(config: Config, log: Logger, undo: (() => Promise<void> | void)[], world: World): Promise<Devices> {
  const pool = widenPool(POOL_THREADS)
  returnBigBuffers()
  checkOtlp(config)
  const rules = config.webConfigFile === undefined ? undefined : await openWebFile(config.webConfigFile)
  const pins = openPins(config)
  setLibbpfLog((_level, line) => log.debug({ libbpf: line }))
  const self = createSelf({ version: VERSION, libbpfVersion: libbpfVersion() })
  const recent = createRecent()
  let collected = false
  let rounds: Rounds<Snapshot> | undefined
  let cluster: FollowedCluster | undefined
  const started = Promise.withResolvers<Rounds<Snapshot>>()
  started.promise.catch(() => undefined)

  const server = await createServer({
    listen: config.listen,
    door: rules && { rules, crypt: openCrypt, tell: tellDoor(log) },
    report: (error) => log.error({ err: error }, 'an answer failed'),
    self,
    scrape: async () => (await started.promise).join(),
    latest: recent.latest,
    earlier: recent.earlier,
    health: () => rounds?.health() ?? { ok: true, reason: 'ok' },
    ready: () => {
      if (!collected) return { ok: false, reason: 'the first collection is not done' }
      return cluster?.ready() === false ? { ok: false, reason: 'the cluster is not listed yet' } : { ok: true, reason: 'ok' }
    },
    info: { version: VERSION, nodeName: config.nodeName },
  })
  undo.push(() => server.close())

  const root = await findCgroupRoot(config.cgroupRoot)
  if (root.warning !== undefined) log.warn(root.warning)
  const extra = new ExtraRounds(() => void rounds?.join())
  undo.push(() => extra[Symbol.dispose]())
  const sinceBootMs = clockOf(world)
  cluster = await followCluster(config, { log, self, partialRoot: root.partial, handedBack: () => extra.within(0), nowMs: sinceBootMs })
  const { names } = cluster
  undo.push(async () => cluster?.[Symbol.asyncDispose]())
  const [cgroups, counting] = await Promise.all([
    openCgroupIndex(root.path, { warn: (message) => log.warn(message) }).then((index) => {
      undo.push(() => index.close())
      return index
    }),
    load(config, root.path, pins, self, log, world).then((loaded) => {
      undo.push(async () => loaded[Symbol.asyncDispose]())
      return loaded
    }),
    cluster.firstNames(),
  ])

  const { nowMs = Date.now } = world
  const opened = openStore(config, counting, { now: sinceBootMs, startMs: nowMs(), lives: names.hasPod })
  if (pins !== undefined) tellOpening(opened.reason, log)
  const { store } = opened
  const otlp = push(config, opened, self, log)
  undo.push(() => otlp?.close())
  const devices = await openDevices(config, { cgroupRoot: root.path, threads: Math.ceil(pool / 2), listener: listenerOf(self, log) })
  undo.push(() => devices.close())
  const collect = collection(config, { counting, opened, cgroups, names, devices }, self, log, world)
  rounds = createRounds(
    toldOf(log, async () => {
      const snapshot = await collect()
      recent.add(snapshot)
      otlp?.add(snapshot)
      collected = true
      if (store.holding > 0) extra.within(PATIENCE_MS)
      return snapshot
    }),
  )
  undo.push(collectEvery(config.collectIntervalMs, rounds))
  const { join } = rounds
  // What was counted since the last collection goes out with the last export.
  if (otlp !== undefined) undo.push(() => withinLimit(join()))
  started.resolve(rounds)
  boundHeap()
  for (const address of server.addresses) log.info({ address }, 'listening')
  return devices
}

function listenerOf(self: Self, log: Logger): Listener {
  return { ...self, warn: (context, message) => log.warn(context, message), info: (context, message) => log.info(context, message) }
}

async function load(
  config: Config,
  cgroupRoot: string,
  pins: PinDirectory | undefined,
  self: Self,
  log: Logger,
  { nowNs }: World,
): Promise<Counting> {
  const began = performance.now()
  const counting = await startCounting(config, cgroupRoot, pins, { now: nowNs })
  const { datapath } = counting
  const seconds = (performance.now() - began) / 1000
  self.loadSeconds(seconds)
  for (const [program, loaded] of datapath.programs()) self.programLoaded(program, loaded)
  for (const [map, entries] of datapath.capacities()) self.mapCapacity(map, entries)
  for (const { program, reason, remedy } of datapath.refused) log.warn({ program, reason, remedy }, 'the kernel refused a program')
  tellDials(datapath.followDials(), self, log)
  log.info({ seconds, cgroupRoot, origin: datapath.origin, kernelMemoryLimitBytes: datapath.memoryLimitBytes() }, 'counting')
  return counting
}

/** ms, monotonic, the same for all processes of the host. */
function clockOf({ nowNs = process.hrtime.bigint }: World): () => number {
  return () => Number(nowNs()) / 1e6
}

interface Sources {
  readonly devices: Devices
  readonly counting: Counting
  readonly opened: Opened
  readonly cgroups: CgroupIndex
  readonly names: KubernetesNames
}

/** One collection: what the kernel counted, named, added up. */
function collection(
  config: Config,
  { counting, opened, cgroups, names, devices }: Sources,
  self: Self,
  log: Logger,
  world: World,
): () => Promise<Snapshot> {
  const { datapath, pins } = counting
  const { step, nowMs = Date.now } = world
  const sinceBootMs = clockOf(world)
  const hostAddresses = createHostAddresses()
  const { owners, cluster } = names
  const known = { cgroups, networks: config.cidrs, hostAddresses, owners, ...(cluster && { cluster }) }
  const resolver = createResolver({ ...known, maxEntries: config.flowEntries })
  const { store, begins } = opened
  const stages = new Stages()
  const tellCost = createKernelCost(counting, self)
  const { take, takeHealth, settle } = createNaming({ cgroups, names, resolver, store, log, nowMs: sinceBootMs })
  const onStep = (name: Step): void => {
    stages.step(name)
    if (name === 'swap') names.collecting()
    step?.(name)
  }
  const collector = new FlowCollector({
    source: datapath,
    ledger: store,
    begins,
    take: (flows) => stages.within('resolve', () => take(flows)),
    takeHealth: (seen) => stages.within('resolve', () => takeHealth(seen)),
    settle: () => stages.within('resolve', settle),
    step: onStep,
    now: nowMs,
    mostKeys: config.flowEntries,
  })
  let prefixesMs = Number.NEGATIVE_INFINITY
  let pinned = true

  const run = async (): Promise<Snapshot> => {
    const families = devices.collect()
    hostAddresses.refresh()
    if (performance.now() - prefixesMs > PREFIX_REFRESH_MS) {
      datapath.setPrefixes(prefixRules(config.cidrs, names.publicPrefixes()))
      prefixesMs = performance.now()
    }
    tellDials(datapath.followDials(), self, log)
    const { totals, entries, gapMs } = await collector.collect()
    if (gapMs > 0) log.warn({ seconds: gapMs / 1000 }, 'nobody had read for so long that counting rested')
    if (pinned && pins?.stands === false) {
      pinned = false
      log.error({ path: pins.path }, 'the pins have been removed: counting goes on, but after a restart every counter will start at 0')
    }
    self.mapEntries('flows', entries.flows)
    self.mapEntries('overflow', entries.overflow)
    self.mapEntries('health', entries.health)
    self.mapEntries('prefixes', datapath.prefixCount())
    tellTotals(self, totals)
    self.readerGap(collector.readerGapSeconds)
    tellCost(totals.tracked)
    const counted = await stages.within('snapshot', () => store.snapshot(store.collectedMs()))
    for (const [stage, seconds] of stages.take()) self.stage(stage, seconds)
    const snapshot = { ...counted, families: await families }
    const stats = store.stats()
    self.series(stats.series)
    self.seriesOverflow(stats.seriesOverflow)
    self.attributedBytes(stats.attributedBytes)
    const { ownPods, peerPods } = names.counts()
    self.kubernetes.podsTracked(Math.max(ownPods, peerPods))
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

/** Goes on from where an earlier process was, if its numbers do. */
function push(config: Config, { store, begins }: Opened, self: Self, log: Logger): Otlp | undefined {
  const delivered = store.opening.restored && !begins ? store.snapshot(store.collectedMs()) : undefined
  const { otlpExported, pushFamilies: families } = self
  return createOtlp({ settings: config, version: VERSION, self: { otlpExported, families }, log, keptStartMs: store.startMs, delivered })
}

function tellOpening(reason: string, log: Logger): void {
  if (reason === '') log.info('counters go on from where they were')
  else log.info({ reason }, 'every counter starts at 0')
}

function tellDials(news: readonly DialNews[], self: Self, log: Logger): void {
  const those = (state: DialNews['state']): readonly DialNews[] => news.filter((one) => one.state === state)
  const names = (some: readonly DialNews[]): readonly string[] => some.map(({ program }) => program)
  for (const { program, state, cgroup, refusal } of news) {
    self.programLoaded(program, state !== 'refused')
    if (refusal !== undefined) log.warn({ ...refusal, cgroup }, 'what pods dial is not seen: Services may be shown as their pods')
  }
  const [observing, idle] = [those('observes'), those('idle')]
  if (observing.length > 0)
    log.info({ programs: names(observing), cgroup: observing[0]?.cgroup }, 'others may rewrite what pods dial: observed')
  if (idle.length > 0) log.info({ programs: names(idle) }, 'nobody rewrites what pods dial any more')
}

function tellTotals(self: Self, totals: Totals): void {
  self.socketsTracked(totals.tracked)
  self.socketsUntracked('limit', totals.untrackedLimit)
  self.socketsUntracked('memory', totals.untrackedMemory)
  self.flowOverflow(totals.overflowFlows, totals.overflowBytes)
}

/** Whoever asked for it, a collection that fails is told in the log, once per change. */
function toldOf<T>(log: Logger, collect: () => Promise<T>): () => Promise<T> {
  let failing = ''
  return async () => {
    try {
      const collected = await collect()
      if (failing !== '') log.info('collecting works again')
      failing = ''
      return collected
    } catch (error) {
      const { message } = error as Error
      if (message !== failing) log.error({ err: error }, 'a collection failed')
      failing = message
      throw error
    }
  }
}

/** Collects now and in the background. Returns what ends it. */
function collectEvery(intervalMs: number, rounds: Rounds<Snapshot>): () => Promise<void> {
  let last: Promise<unknown> = Promise.resolve()
  const collect = (): void => {
    last = rounds.join().catch(() => undefined)
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
function boundHeap(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
  setFlagsFromString(`--heap-growing-percent=${OLD_HEAP_PERCENT}`)
}

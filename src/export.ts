// The exporter: wires the stages, owns start and stop. Counts nothing itself.
import { collectEvery, nowAndThen, withinLimit } from './commands/export/background.ts'
import { type FollowedCluster, followCluster } from './commands/export/cluster.ts'
import { createCollection } from './commands/export/collection.ts'
import { type Devices, openDevices } from './commands/export/devices.ts'
import { ExtraRounds } from './commands/export/extra-rounds.ts'
import { boundHeap } from './commands/export/heap-growth.ts'
import { PATIENCE_MS } from './commands/export/naming.ts'
import { tellDials, tellOpening, toldOf } from './commands/export/news.ts'
import type { Listener } from './commands/export/source.ts'
import { clockOf, type World } from './commands/export/world.ts'
import { type Opened, openStore } from './commands/load/open-store.ts'
import { type Counting, openPins, startCounting } from './commands/load/start-counting.ts'
import { openWebFile } from './config/web-file.ts'
import type { Config } from './config.ts'
import { openCrypt } from './kernel/crypt.ts'
import { leaveAtOnce } from './kernel/leave.ts'
import { libbpfVersion, setLibbpfLog } from './kernel/libbpf.ts'
import { giveBackFreed, returnBigBuffers } from './kernel/malloc.ts'
import type { PinDirectory } from './kernel/pins.ts'
import { widenPool } from './kernel/pool.ts'
import { createLogger, type Logger } from './log.ts'
import type { Snapshot } from './model.ts'
import { tellDoor } from './publish/door-log.ts'
import { createServer } from './publish/http.ts'
import { checkOtlp, createOtlp, type Otlp } from './publish/otlp.ts'
import { createRecent } from './publish/recent.ts'
import { createRounds, type Rounds } from './publish/rounds.ts'
import { createSelf, type Self } from './publish/self.ts'
import { openCgroupIndex } from './resolve/cgroup-index.ts'
import { findCgroupRoot } from './resolve/cgroup-root.ts'
import { VERSION } from './version.ts'

/** Of libuv's pool; half of them for calls to GPUs, which may hang for good. */
const POOL_THREADS = 8
/** What collections and scrapes free lies between what they keep. */
const GIVE_BACK_MS = 30_000

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
  boundHeap()
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
  const devices = await openDevices(config, {
    cgroupRoot: root.path,
    threads: Math.ceil(pool / 2),
    listener: listenerOf(self, log),
    names: names.workloads,
    draUuid: names.draUuid,
  })
  undo.push(() => devices.close())
  const collect = createCollection(config, { counting, opened, cgroups, names, devices }, self, log, world)
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
  undo.push(nowAndThen(GIVE_BACK_MS, giveBackFreed))
  const { join } = rounds
  // What was counted since the last collection goes out with the last export.
  if (otlp !== undefined) undo.push(() => withinLimit(join()))
  started.resolve(rounds)
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

/** Goes on from where an earlier process was, if its numbers do. */
function push(config: Config, { store, begins }: Opened, self: Self, log: Logger): Otlp | undefined {
  const delivered = store.opening.restored && !begins ? store.snapshot(store.collectedMs()) : undefined
  const { otlpExported, pushFamilies: families } = self
  return createOtlp({ settings: config, version: VERSION, self: { otlpExported, families }, log, keptStartMs: store.startMs, delivered })
}

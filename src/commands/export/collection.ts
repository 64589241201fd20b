// One collection: what the kernel counted, named, added up, with what it cost. Wires the stages; counts nothing itself.
import { FlowCollector, type Step } from '../../collect/flows.ts'
import type { Config } from '../../config.ts'
import { KernelError } from '../../errors.ts'
import type { Totals } from '../../kernel/socket-datapath.ts'
import type { Logger } from '../../log.ts'
import type { Snapshot } from '../../model.ts'
import type { Self } from '../../publish/self.ts'
import type { CgroupIndex } from '../../resolve/cgroup-index.ts'
import { createResolver } from '../../resolve/flows.ts'
import { createHostAddresses } from '../../resolve/host-addresses.ts'
import type { KubernetesNames } from '../../resolve/kubernetes/names.ts'
import { prefixRules } from '../../resolve/prefix-rules.ts'
import type { Opened } from '../load/open-store.ts'
import type { Counting } from '../load/start-counting.ts'
import type { Devices } from './devices.ts'
import { createKernelCost } from './kernel-cost.ts'
import { createNaming } from './naming.ts'
import { tellDials } from './news.ts'
import { Stages } from './stages.ts'
import { clockOf, type World } from './world.ts'

const COLLECTOR = 'flows'
/** Interfaces come and go with pods; the trie only has to follow within a minute. */
const PREFIX_REFRESH_MS = 10_000

export interface Sources {
  readonly devices: Devices
  readonly counting: Counting
  readonly opened: Opened
  readonly cgroups: CgroupIndex
  readonly names: KubernetesNames
}

/** One collection: what the kernel counted, named, added up. */
export function createCollection(
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
    if (pinned && pins?.stands === false) {
      pinned = false
      const after = datapath.outlivesPins
        ? 'counting goes on, but after a restart every counter will start at 0'
        : 'nothing is counted until orb8 load has run and this has been started again'
      log.error({ path: pins.path }, `the pins have been removed: ${after}`)
    }
    const { totals, entries, gapMs } = await collector.collect()
    if (gapMs > 0) log.warn({ seconds: gapMs / 1000 }, 'nobody had read for so long that counting rested')
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

function tellTotals(self: Self, totals: Totals): void {
  self.socketsTracked(totals.tracked)
  self.socketsUntracked('limit', totals.untrackedLimit)
  self.socketsUntracked('memory', totals.untrackedMemory)
  self.flowOverflow(totals.overflowFlows, totals.overflowBytes)
}

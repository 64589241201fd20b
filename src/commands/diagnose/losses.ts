// What of the exporter's own numbers says that something is lost, or soon will be. Knows metrics by name; nothing of HTTP.
import { SELF } from '../../metrics.ts'
import { bytes, count, percent } from './amounts.ts'
import type { Finding } from './check.ts'
import { type OwnNumbers, row } from './own-numbers.ts'

/** Above it the next burst may find no room. */
const FULL = 0.8
const ATTRIBUTED = 0.99

const ROOM: Readonly<Record<string, string>> = {
  flows: 'raise ORB8_FLOW_ENTRIES',
  overflow: 'raise ORB8_FLOW_ENTRIES, so that less spills into it',
  prefixes: 'name fewer networks in ORB8_CIDRS',
}
const UNTRACKED: Readonly<Record<string, string>> = {
  limit: 'raise ORB8_SOCKETS',
  memory: "raise net.core.optmem_max, or the memory limit of the exporter's cgroup",
}

/** In the order of the data's way. */
export const LOSSES: readonly ((numbers: OwnNumbers) => readonly Finding[])[] = [
  programs,
  maps,
  flowOverflow,
  sockets,
  untracked,
  series,
  seriesOverflow,
  attributed,
  collectors,
  readerGap,
]

function programs({ samples }: OwnNumbers): readonly Finding[] {
  const loaded = [...samples.by(SELF.programLoaded.name, 'program')]
  const missing = loaded.flatMap(([program, is]) => (is === 1 ? [] : [program]))
  const found = `${loaded.length - missing.length} of ${loaded.length}${missing.length > 0 ? `, not ${missing.join(', ')}` : ''}`
  return [row('programs', missing.length === 0, found, 'all of them', 'see why in the lines of the programs above')]
}

function maps({ samples }: OwnNumbers): readonly Finding[] {
  const entries = samples.by(SELF.mapEntries.name, 'map')
  return [...samples.by(SELF.mapCapacity.name, 'map')].map(([map, capacity]) =>
    fill(`map ${map}`, entries.get(map) ?? 0, capacity, 'full', ROOM[map] ?? ''),
  )
}

function fill(name: string, used: number, room: number, of: string, remedy: string): Finding {
  const share = used / room
  return row(name, share < FULL, `${count(used)} of ${count(room)}, ${percent(share)}`, `under ${percent(FULL)} ${of}`, remedy)
}

function flowOverflow({ samples }: OwnNumbers): readonly Finding[] {
  const flows = samples.sum(SELF.flowOverflow.name)
  const found = `${count(flows)} flows, ${bytes(samples.sum(SELF.flowOverflowBytes.name))} since the start`
  return [row('flow overflow', flows === 0, found, '0', 'raise ORB8_FLOW_ENTRIES, or collect more often with ORB8_COLLECT_INTERVAL')]
}

function sockets({ samples, sizes }: OwnNumbers): readonly Finding[] {
  const tracked = samples.sum(SELF.socketsTracked.name)
  return [fill('sockets', tracked, sizes.sockets, 'of ORB8_SOCKETS', 'raise ORB8_SOCKETS')]
}

function untracked({ samples }: OwnNumbers): readonly Finding[] {
  return [...samples.by(SELF.socketsUntracked.name, 'reason')].map(([reason, total]) =>
    row(`sockets untracked (${reason})`, total === 0, `${count(total)} since the start`, '0', UNTRACKED[reason] ?? ''),
  )
}

function series({ samples, sizes }: OwnNumbers): readonly Finding[] {
  const remedy = 'raise ORB8_SERIES_LIMIT, or leave labels out with ORB8_FLOW_LABELS'
  return [fill('series', samples.sum(SELF.series.name), sizes.seriesLimit, 'of ORB8_SERIES_LIMIT', remedy)]
}

function seriesOverflow({ samples }: OwnNumbers): readonly Finding[] {
  const flows = samples.sum(SELF.seriesOverflow.name)
  const remedy = 'raise ORB8_SERIES_LIMIT, or leave labels out with ORB8_FLOW_LABELS'
  return [row('series overflow', flows === 0, `${count(flows)} since the start`, '0', remedy)]
}

function attributed({ samples }: OwnNumbers): readonly Finding[] {
  const methods = samples.by(SELF.attributedBytes.name, 'method')
  const all = [...methods.values()].reduce((sum, value) => sum + value, 0)
  const share = all === 0 ? 1 : 1 - (methods.get('none') ?? 0) / all
  const found = all === 0 ? 'no bytes yet' : `${percent(share)} of ${bytes(all)} have an owner`
  const remedy = "let the exporter see the host's whole cgroup tree: ORB8_CGROUP_ROOT, Kubernetes hostPath /sys/fs/cgroup"
  return [row('attribution', share >= ATTRIBUTED, found, `over ${percent(ATTRIBUTED)}`, remedy)]
}

function collectors({ samples }: OwnNumbers): readonly Finding[] {
  const errors = samples.by(SELF.collectorErrors.name, 'collector')
  return [...samples.by(SELF.collectorUp.name, 'collector')].map(([collector, up]) => {
    const failed = errors.get(collector) ?? 0
    const found = `${up === 1 ? 'works' : 'the last collection failed'}, ${count(failed)} failed since the start`
    return row(`collector ${collector}`, up === 1 && failed === 0, found, 'works, 0 failed', "see the exporter's log")
  })
}

/** Of exporters with a pin path only. */
function readerGap({ samples }: OwnNumbers): readonly Finding[] {
  if (!samples.has(SELF.readerGap.name)) return []
  const gap = samples.sum(SELF.readerGap.name)
  const remedy = 'nobody read for over 15 minutes and nothing was counted: see why the exporter did not come back'
  return [row('reader gap', gap === 0, `${count(gap)} s uncounted`, '0', remedy)]
}

// What counting costs the kernel, told after each collection: memory by map, runs of programs. Knows maps and programs by name only.
import type { Fd } from '../../kernel/libbpf.ts'
import { mapMemoryBytes } from '../../kernel/map-memory.ts'
import { ProgramStats } from '../../kernel/program-stats.ts'
import { SOCKET_BYTES } from '../../kernel/socket-datapath.ts'
import type { Self } from '../../publish/self.ts'
import type { Counting } from '../load/start-counting.ts'

/** What the kernel tells of a map's memory hardly changes, and takes half a millisecond to ask for. */
const MEMORY_REFRESH_MS = 10_000

type Told = Pick<Self, 'mapMemory' | 'programRuns'>

/** Returns what tells `self` once; `tracked`: sockets that have storage, which hangs on them and not on the map. Under 1 ms. */
export function createKernelCost({ datapath, memory, pins }: Pick<Counting, 'datapath' | 'memory' | 'pins'>, self: Told) {
  const { programs, maps } = datapath.descriptors()
  const families = byFamily(maps)
  const stats = new ProgramStats()
  let bytesOf = mapMemoryBytes(families)
  let askedMs = performance.now()
  return (tracked: number): void => {
    for (const [name, { runs, seconds }] of stats.read(programs)) self.programRuns(name, runs, seconds)
    if (performance.now() - askedMs > MEMORY_REFRESH_MS) {
      bytesOf = mapMemoryBytes(families)
      askedMs = performance.now()
    }
    for (const [name, bytes] of bytesOf) {
      self.mapMemory(name, bytes + (name === 'connections' ? tracked * SOCKET_BYTES : 0))
    }
    // Array maps, whole pages all of them.
    if (pins !== undefined) self.mapMemory('ledger', memory.header.byteLength + memory.chunks() * memory.chunkBytes)
  }
}

/** A pair and the array above it are one to who looks from outside; so are variables of the object. */
function byFamily(maps: ReadonlyMap<string, Fd>): ReadonlyMap<string, readonly Fd[]> {
  const families = new Map<string, Fd[]>()
  for (const [name, fd] of maps) {
    const family = name.startsWith('.') ? 'variables' : name.replace(/_[ab]$/, '')
    families.set(family, [...(families.get(family) ?? []), fd])
  }
  return families
}

// What export and load have in common: the programs, and memory for the ledger, pinned where a path is set. Counts nothing.
import type { Config } from '../../config.ts'
import { LAYOUT_HASH } from '../../kernel/layouts.ts'
import { LedgerMaps } from '../../kernel/ledger-maps.ts'
import { PinDirectory } from '../../kernel/pins.ts'
import { SocketDatapath } from '../../kernel/socket-datapath.ts'
import { prefixRules } from '../../resolve/prefix-rules.ts'
import { createProcessMemory, type LedgerMemory } from '../../store/ledger-memory.ts'

/** 1,024 series: each is a map of its own, and the last is half empty on the average. */
const CHUNK_BYTES = 512 * 1024
/** 256 MiB, half a million series. */
const MAX_CHUNKS = 512
const SERIES_BYTES = 512
/** Series of containers stand outside the limit, and so does what waits for a name. */
const CHUNKS_BESIDE = 12

export interface Counting extends AsyncDisposable {
  readonly datapath: SocketDatapath
  readonly memory: LedgerMemory
  /** What must be the same for the ledger's numbers to go on with what the kernel holds. */
  readonly identity: string
  readonly pins: PinDirectory | undefined
}

/** Undefined where nothing is to be pinned. Throws ConfigError where the path cannot be used or another exporter has it. */
export function openPins({ pinPath, pinGroup }: Config): PinDirectory | undefined {
  return pinPath === undefined ? undefined : PinDirectory.open(pinPath, { group: pinGroup })
}

/**
 * `whole`: makes the memory of all series that the limit allows. `now`: CLOCK_MONOTONIC, ns. Disposes of `pins` in the end. Throws
 * KernelError where nothing counts.
 */
export async function startCounting(
  config: Config,
  cgroupRoot: string,
  pins: PinDirectory | undefined,
  { whole = false, now }: { readonly whole?: boolean; readonly now?: (() => bigint) | undefined } = {},
): Promise<Counting> {
  const { flowEntries, sockets, cidrs, seriesLimit } = config
  try {
    const datapath = await SocketDatapath.start({ cgroupRoot, flowEntries, sockets, prefixes: prefixRules(cidrs), pins, now })
    const memory = pins === undefined ? createProcessMemory() : new LedgerMaps(pins, { chunkBytes: CHUNK_BYTES, maxChunks: MAX_CHUNKS })
    if (whole && memory instanceof LedgerMaps) memory.fill(Math.ceil((seriesLimit * SERIES_BYTES) / CHUNK_BYTES) + CHUNKS_BESIDE)
    return {
      datapath,
      memory,
      pins,
      identity: JSON.stringify([LAYOUT_HASH, flowEntries, sockets, cgroupRoot, datapath.generation]),
      async [Symbol.asyncDispose]() {
        await datapath[Symbol.asyncDispose]()
        pins?.[Symbol.dispose]()
      },
    }
  } catch (error) {
    pins?.[Symbol.dispose]()
    throw error
  }
}

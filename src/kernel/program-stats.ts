// How often our programs ran and for how long, as the kernel counts it. Knows file descriptors; nothing of what programs do.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { check, type Fd, libbpf } from './libbpf.ts'

/** Byte offsets in `struct bpf_prog_info` of linux/bpf.h, which only ever grows at its end. */
const PROGRAM_INFO = { size: 208, id: 4, runNs: 192, runs: 200 } as const

export interface ProgramRuns {
  readonly runs: number
  /** On all CPUs together. */
  readonly seconds: number
}

interface Counted {
  /** Of the program that is counted now. */
  id: number
  runs: number
  ns: number
  /** What programs of this name counted before it. */
  earlierRuns: number
  earlierNs: number
}

/** Does the kernel count runs? It does not by default: two clock reads a run. False where it does not tell. */
export function bpfStatsEnabled(proc: string = '/proc'): boolean {
  try {
    return readFileSync(join(proc, 'sys/kernel/bpf_stats_enabled'), 'latin1').trim() === '1'
  } catch {
    return false
  }
}

/**
 * Sums by name that never fall: a program that takes another's place begins at 0, and what the one before it had at the last
 * read stays in the sum. Read right before a program is replaced to lose none of its runs. Holds one entry a name.
 */
export class ProgramStats {
  readonly #counted = new Map<string, Counted>()
  readonly #info = Buffer.alloc(PROGRAM_INFO.size)
  readonly #proc: string

  constructor(proc: string = '/proc') {
    this.#proc = proc
  }

  /**
   * Every name ever read, and what it sums up to; empty where kernel.bpf_stats_enabled is not 1. 3 us a program. Needs no
   * capability. Throws KernelError where a descriptor is none.
   */
  read(programs: ReadonlyMap<string, Fd>): ReadonlyMap<string, ProgramRuns> {
    if (!bpfStatsEnabled(this.#proc)) return new Map()
    for (const [name, fd] of programs) this.#take(name, fd)
    return new Map(
      [...this.#counted].map(([name, { runs, ns, earlierRuns, earlierNs }]) => [
        name,
        { runs: earlierRuns + runs, seconds: (earlierNs + ns) / 1e9 },
      ]),
    )
  }

  #take(name: string, fd: Fd): void {
    this.#info.fill(0) // the kernel takes what it wrote last time for room that we offer
    check(`ask what ${name} did`, libbpf().bpf.bpf_obj_get_info_by_fd(fd, this.#info, [PROGRAM_INFO.size]))
    const id = this.#info.readUInt32LE(PROGRAM_INFO.id)
    const runs = Number(this.#info.readBigUInt64LE(PROGRAM_INFO.runs))
    const ns = Number(this.#info.readBigUInt64LE(PROGRAM_INFO.runNs))
    const last = this.#counted.get(name) ?? { id, runs: 0, ns: 0, earlierRuns: 0, earlierNs: 0 }
    const replaced = last.id !== id
    this.#counted.set(name, {
      id,
      // The kernel adds up its CPUs one after the other: a sum may be a moment behind the last one.
      runs: replaced ? runs : Math.max(runs, last.runs),
      ns: replaced ? ns : Math.max(ns, last.ns),
      earlierRuns: last.earlierRuns + (replaced ? last.runs : 0),
      earlierNs: last.earlierNs + (replaced ? last.ns : 0),
    })
  }
}

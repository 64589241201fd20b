// Reads the counters of RDMA ports from sysfs. Knows the kernel's files and the names of its drivers' counters; nothing of pods.
import { readdir, readFile, readlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Orb8Error } from '../errors.ts'
import type { RdmaPort } from '../model.ts'

export interface RdmaCollectorOptions {
  readonly root?: string
  /** How long one collection waits. */
  readonly limitMs?: number
}

export interface RdmaCollected {
  readonly ports: readonly RdmaPort[]
  /** Files that could not be read or held no number. */
  readonly unreadable: number
}

const ROOT = '/sys/class/infiniband'
/** Reading a counter may ask the device's firmware. */
const LIMIT_MS = 2000
/** Ports of one host; a DGX has ten devices of one port, SR-IOV makes a device of each function. */
const MOST_PORTS = 256
/** Counters of one port that are published; drivers have at most thirty of those kinds. */
const MOST_COUNTERS = 64

/** Words of 4 B, in `counters`. */
const WORD_BYTES = 4
const EGRESS = { words: 'port_xmit_data', packets: 'port_xmit_packets', hwBytes: 'tx_bytes', hwPackets: 'tx_pkts' }
const INGRESS = { words: 'port_rcv_data', packets: 'port_rcv_packets', hwBytes: 'rx_bytes', hwPackets: 'rx_pkts' }

/** Congestion and retransmission as mlx5, rxe, bnxt_re, irdma, efa, mana, hns and erdma call them. */
const WANTED =
  /retr(?:y|ies|ans)|rnr|cnp|ecn|congest|timeout|seq|oos|dup(?:licate)?_|nak|slow_restart|out_of_buffer|xmit_wait|xmit_discards|implicit/i
/** Of those, the ones that say how it is now. */
const GAUGES = /^num_|current/i

export class RdmaTimeout extends Orb8Error {
  override readonly name = 'RdmaTimeout'
  readonly failure = 'timeout'

  constructor(reason: string) {
    super('read the counters of RDMA ports', reason, '')
  }
}

export class RdmaCollector {
  readonly #root: string
  readonly #limitMs: number
  #reading: Promise<RdmaCollected | undefined> | undefined
  #late = false

  constructor({ root = ROOT, limitMs = LIMIT_MS }: RdmaCollectorOptions = {}) {
    this.#root = root
    this.#limitMs = limitMs
  }

  /** A reading that took too long has not ended yet. process.exit would wait for it, see leaveAtOnce. */
  get hangs(): boolean {
    return this.#late
  }

  /**
   * File by file, so that a device that hangs takes one thread and no more. Undefined where there is no RDMA. Rejects where the
   * reading takes too long; until it has ended no other begins.
   */
  async collect(): Promise<RdmaCollected | undefined> {
    if (this.#reading !== undefined) throw new RdmaTimeout('the last reading has not ended')
    this.#reading = this.#readAll().finally(() => {
      this.#reading = undefined
      this.#late = false
    })
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => {
      this.#late = true
      late.reject(new RdmaTimeout(`no end within ${this.#limitMs} ms`))
    }, this.#limitMs)
    try {
      return await Promise.race([this.#reading, late.promise])
    } finally {
      clearTimeout(timer)
    }
  }

  async #readAll(): Promise<RdmaCollected | undefined> {
    const devices = await list(this.#root)
    if (devices.length === 0) return undefined
    const ports: RdmaPort[] = []
    let unreadable = 0
    for (const device of devices.toSorted()) {
      // Of another kind of device, or in a tree without: none.
      const parent = basename(await readlink(join(this.#root, device, 'device')).catch(() => ''))
      for (const port of (await list(join(this.#root, device, 'ports'))).toSorted()) {
        if (ports.length >= MOST_PORTS) return { ports, unreadable }
        const reading = new PortFiles(join(this.#root, device, 'ports', port))
        ports.push({ ...(await readPort(reading, device, port)), parent })
        unreadable += reading.unreadable
      }
    }
    return { ports, unreadable }
  }
}

class PortFiles {
  unreadable = 0
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  names(folder: string): Promise<readonly string[]> {
    return list(join(this.#directory, folder))
  }

  /** Undefined where there is no number: some drivers write `N/A (no PMA)`, some give EINVAL. */
  async number(folder: string, name: string): Promise<number | undefined> {
    const text = await readFile(join(this.#directory, folder, name), 'latin1').catch(() => '')
    if (/^\d+\n?$/.test(text)) return Number(text)
    this.unreadable++
    return undefined
  }
}

async function readPort(files: PortFiles, device: string, port: string): Promise<Omit<RdmaPort, 'parent'>> {
  const [counters, hwCounters] = [await files.names('counters'), await files.names('hw_counters')]
  const first = async (usual: string, unit: number, own: string): Promise<number | undefined> => {
    const value = counters.includes(usual) ? await files.number('counters', usual) : undefined
    if (value !== undefined) return value * unit
    return hwCounters.includes(own) ? files.number('hw_counters', own) : undefined
  }
  const numbers = {
    egressBytes: await first(EGRESS.words, WORD_BYTES, EGRESS.hwBytes),
    ingressBytes: await first(INGRESS.words, WORD_BYTES, INGRESS.hwBytes),
    egressPackets: await first(EGRESS.packets, 1, EGRESS.hwPackets),
    ingressPackets: await first(INGRESS.packets, 1, INGRESS.hwPackets),
  }
  const known = Object.fromEntries(Object.entries(numbers).filter(([, value]) => value !== undefined))
  const wanted = new Map<string, number>()
  for (const [folder, names] of [['hw_counters', hwCounters] as const, ['counters', counters] as const]) {
    for (const name of names) {
      if (wanted.size >= MOST_COUNTERS || !WANTED.test(name) || GAUGES.test(name)) continue
      const value = await files.number(folder, name)
      if (value !== undefined) wanted.set(name, value)
    }
  }
  return { device, port, ...known, counters: wanted }
}

async function list(directory: string): Promise<readonly string[]> {
  return readdir(directory).catch(() => [])
}

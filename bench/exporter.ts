// The built exporter as the benches run it: on all cores, beside traffic that is pinned to one. Knows /proc and its own port.
import { readFileSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { Exporter, type ExporterOptions } from '../test/harness/exporter.ts'
import { sum } from '../test/harness/exposition.ts'
import type { Undo } from '../test/harness/undo.ts'
import { ALL_CORES } from './place.ts'

const TICKS_PER_SECOND = 100

/** Nobody takes the core away from it: so a busy machine says less of itself in figures. */
export const FIRST = ['chrt', '-f', '1'] as const

export function startExporter(undo: Undo, options: ExporterOptions = {}): Promise<Exporter> {
  return Exporter.start(undo, { ...options, wrapper: [...(options.wrapper ?? []), 'taskset', '-c', ALL_CORES] })
}

export interface Fetched {
  /** From the request to the last byte. */
  readonly ms: number
  readonly bytes: number
}

/** Scrapes as Prometheus does, over one connection, and throws the body away. */
export class Scraper implements Disposable {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  readonly #port: number

  constructor(port: number) {
    this.#port = port
  }

  fetch(encoding: 'gzip' | 'identity'): Promise<Fetched> {
    const began = performance.now()
    const options = { host: '127.0.0.1', port: this.#port, path: '/metrics', agent: this.#agent, headers: { 'Accept-Encoding': encoding } }
    return new Promise((resolve, reject) => {
      const request = get(options, (response) => {
        let bytes = 0
        response.on('data', (part: Buffer) => {
          bytes += part.length
        })
        response.on('error', reject)
        response.on('end', () => {
          if (response.statusCode === 200) resolve({ ms: performance.now() - began, bytes })
          else reject(new Error(`/metrics answers ${response.statusCode}`))
        })
      })
      request.on('error', reject)
    })
  }

  [Symbol.dispose](): void {
    this.#agent.destroy()
  }
}

export function residentMiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) / 1024
}

/** User and system time of all its threads, in steps of 10 ms. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const [, , , , , , , , , , , user, system] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return ((Number(user) + Number(system)) * 1000) / TICKS_PER_SECOND
}

export async function metric(exporter: Exporter, name: string): Promise<number> {
  return sum(await exporter.scrape(), name)
}

// The traffic whose speed is compared: a server, and a client that runs for a while and says how much it did.
import { MANY, OTHER_CORE, type Place, SERVER } from './place.ts'

export interface Workload {
  readonly name: string
  readonly unit: string
  /** Of `perSecond`. */
  readonly scale: number
  /** Least ratio of with to without. */
  readonly least: number
  readonly serve: (place: Place) => Server
  readonly client: readonly [command: string, options: Readonly<Record<string, string | number>>]
}

interface Server {
  ports(): Promise<number[]>
  stop(): Promise<unknown>
}

const SIZE = 64
/** Seconds, longer than any bench: a server that is forgotten ends by itself. */
const LIMIT = 900

export const WORKLOADS: Readonly<Record<string, Workload>> = {
  rr: {
    name: 'TCP request and response, 64 bytes',
    unit: '1,000/s',
    scale: 1e3,
    least: 0.99,
    serve: (place) => place.server('echo', { limit: LIMIT, address: SERVER, size: SIZE }),
    client: ['rr', { address: SERVER, size: SIZE }],
  },
  apart: {
    name: 'TCP request and response, 64 bytes, each end on a core of its own',
    unit: '1,000/s',
    scale: 1e3,
    least: 0.99,
    serve: (place) => place.server('echo', { limit: LIMIT, address: SERVER, size: SIZE }, OTHER_CORE),
    client: ['rr', { address: SERVER, size: SIZE }],
  },
  stream: {
    name: 'TCP bulk, one stream',
    unit: 'Gbit/s',
    scale: 1e9 / 8 / 65536,
    least: 0.99,
    serve: (place) => place.server('sink', { limit: LIMIT, address: SERVER }),
    client: ['stream', { address: SERVER, size: 65536 }],
  },
  crr: {
    name: 'TCP connect, request, response, close',
    unit: '1,000/s',
    scale: 1e3,
    least: 0.97,
    serve: (place) => place.server('serve', { limit: LIMIT, address: '0.0.0.0' }),
    client: ['connect', { address: MANY, addresses: 256, up: SIZE, down: SIZE }],
  },
  udp: {
    name: 'UDP request and response, 64 bytes',
    unit: '1,000/s',
    scale: 1e3,
    least: 0.97,
    serve: (place) => place.server('udp-echo', { limit: LIMIT, address: SERVER }),
    client: ['udp-rr', { address: SERVER, size: SIZE }],
  },
}

export interface Speed {
  readonly perSecond: number
  readonly transactions: number
  readonly failures: number
}

export async function runClient(place: Place, { client: [command, options] }: Workload, port: number, seconds: number): Promise<Speed> {
  const figures = (await place.client(command, { ...options, port, seconds }).figures()) as unknown as Speed & { connections?: number }
  return { ...figures, transactions: figures.transactions ?? figures.connections ?? 0 }
}

// What the kernel programs saw of health, for tests that read the maps themselves: summed by cgroup, role, protocol, port and peer.
import { statSync } from 'node:fs'
import { decodeKey } from '../../src/collect/flow-entries.ts'
import { decodeHealth } from '../../src/collect/health.ts'
import { FLOW_KEY, HEALTH } from '../../src/kernel/layouts.ts'
import type { MapBatch } from '../../src/kernel/maps.ts'
import type { SocketDatapath } from '../../src/kernel/socket-datapath.ts'
import { CONNECT_FAILURES, type ConnectFailure } from '../../src/metrics.ts'
import type { HealthCounts, TimeCounts } from '../../src/model.ts'
import type { Cgroup } from './cgroups.ts'

export const samples = ({ buckets }: TimeCounts): number => buckets.reduce((sum, count) => sum + count, 0)

const plusTimes = (one: TimeCounts, other: TimeCounts): TimeCounts => ({
  buckets: one.buckets.map((count, i) => count + (other.buckets[i] ?? 0)),
  sum: one.sum + other.sum,
})

const plus = (one: HealthCounts, other: HealthCounts): HealthCounts => ({
  failed: one.failed.map((count, i) => count + (other.failed[i] ?? 0)),
  rtt: plusTimes(one.rtt, other.rtt),
  connect: plusTimes(one.connect, other.connect),
  listenOverflows: one.listenOverflows + other.listenOverflows,
  receiveDrops: one.receiveDrops + other.receiveDrops,
})

export class HealthSeen {
  readonly #datapath: SocketDatapath
  readonly #seen = new Map<bigint, Map<string, HealthCounts>>()

  constructor(datapath: SocketDatapath) {
    this.#datapath = datapath
  }

  /** Adds what is new. */
  async collect(): Promise<this> {
    await this.#datapath.walk()
    for (const pair of [this.#datapath.health, this.#datapath.healthSpill]) {
      await pair.swap()
      await this.#take(pair.read())
      await pair.empty()
    }
    return this
  }

  /** Since the start, by `client 6 80 address`. */
  of(cgroup: Cgroup): ReadonlyMap<string, HealthCounts> {
    return this.#seen.get(statSync(cgroup.directory, { bigint: true }).ino) ?? new Map()
  }

  /** Attempts that failed: `client 80 loopback refused`, and how often. */
  failures(cgroup: Cgroup): Record<string, number> {
    const failures: Record<string, number> = {}
    for (const [name, { failed }] of this.of(cgroup)) {
      for (const [i, count] of failed.entries()) if (count > 0) failures[`${name} ${CONNECT_FAILURES[i]}`] = count
    }
    return failures
  }

  failed(cgroup: Cgroup, why: ConnectFailure): number {
    return [...this.of(cgroup).values()].reduce((sum, { failed }) => sum + (failed[CONNECT_FAILURES.indexOf(why)] ?? 0), 0)
  }

  async #take(batches: AsyncGenerator<MapBatch>): Promise<void> {
    for await (const { count, keys, values } of batches) {
      for (let i = 0; i < count; i++) {
        const { cgroup, role, protocol, port, peer } = decodeKey(keys, i * FLOW_KEY.size)
        const ends = this.#seen.get(cgroup) ?? new Map<string, HealthCounts>()
        this.#seen.set(cgroup, ends)
        const name = `${role} ${protocol} ${port} ${peer}`
        const more = decodeHealth(values, i * HEALTH.size)
        const before = ends.get(name)
        ends.set(name, before === undefined ? more : plus(before, more))
      }
    }
  }
}

// The exporter with displaced clocks that says at SIGUSR2, in one line on stderr, how much it keeps. It looks at its own parts as they
// are used: none of them knows.
import { BoundedCache } from '../../src/resolve/bounded-cache.ts'
import { type CgroupCounts, CgroupIndex } from '../../src/resolve/cgroup-index.ts'
import { Ledger } from '../../src/store/ledger.ts'

/** What `weigh` reads. */
export interface Weight {
  /** Entries of each bounded cache. */
  readonly caches: readonly number[]
  /** Live slots of the ledger: a series each. */
  readonly slots: number
  readonly cgroups: CgroupCounts
}

const caches = new Set<{ readonly size: number }>()
let ledger: Ledger | undefined
let index: CgroupIndex | undefined

const { set } = BoundedCache.prototype
BoundedCache.prototype.set = function (key, value) {
  caches.add(this)
  set.call(this, key, value)
}
const { begin } = Ledger.prototype
Ledger.prototype.begin = function (drain) {
  ledger = this
  begin.call(this, drain)
}
const { rescan } = CgroupIndex.prototype
CgroupIndex.prototype.rescan = function () {
  index = this
  return rescan.call(this)
}

process.on('SIGUSR2', () => {
  const weight = { caches: [...caches].map(({ size }) => size), slots: ledger?.used, cgroups: index?.counts() }
  process.stderr.write(`${JSON.stringify({ weight })}\n`)
})

await import('./displaced-exporter.ts')

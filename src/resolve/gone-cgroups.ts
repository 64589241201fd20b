// Whose cgroups were whose directory has gone: their sockets live on for a while. Knows ids and paths; nothing of directories.
import { type CgroupIdentity, identifyCgroup } from './cgroup-path.ts'

/** Sockets outlive the directory of their cgroup; one that nobody asked for in so long is forgotten, a minute later at the latest. */
const KEEP_MS = 600_000
/** Together they come to be no more than a path each, and go. */
const GENERATION_MS = 60_000
/** 100 short jobs a second for ten minutes; 100 B each, a pod's container 260 B. */
const MOST = 65_536

export interface GoneCgroupsOptions {
  /** Monotonic, ms. */
  readonly nowMs: () => number
  readonly most?: number | undefined
}

interface Young {
  readonly path: string
  identity: CgroupIdentity | undefined
}

interface Generation {
  readonly untilMs: number
  readonly paths: Map<bigint, string>
}

export class GoneCgroups {
  readonly #nowMs: () => number
  readonly #most: number
  readonly #young = new Map<bigint, Young>()
  #youngUntilMs = 0
  /** The oldest first. */
  #old: Generation[] = []
  #forgotten = 0

  constructor({ nowMs, most = MOST }: GoneCgroupsOptions) {
    this.#nowMs = nowMs
    this.#most = most
  }

  get size(): number {
    return this.#old.reduce((sum, { paths }) => sum + paths.size, this.#young.size)
  }

  /** Forgotten before their time because there were too many. */
  get forgotten(): number {
    return this.#forgotten
  }

  has(id: bigint): boolean {
    return this.#young.has(id) || this.#old.some(({ paths }) => paths.has(id))
  }

  add(id: bigint, path: string, identity: CgroupIdentity | undefined): void {
    this.#age()
    if (this.#young.size === 0) this.#youngUntilMs = this.#nowMs() + GENERATION_MS
    this.#young.set(id, { path, identity })
    if (this.size > this.#most) this.#forgetOldest()
  }

  /** Its number is another's now. */
  delete(id: bigint): void {
    this.#young.delete(id)
    for (const { paths } of this.#old) paths.delete(id)
  }

  /** The same object whenever it is asked for within a minute; who is asked for is kept. */
  lookup(id: bigint): CgroupIdentity | undefined {
    const young = this.#young.get(id) ?? this.#renew(id)
    if (young === undefined) return undefined
    young.identity ??= identifyCgroup(young.path)
    return young.identity
  }

  /** To be called now and then. */
  letGo(): void {
    this.#age()
    const before = this.#nowMs() - KEEP_MS
    if ((this.#old[0]?.untilMs ?? before) < before) this.#old = this.#old.filter(({ untilMs }) => untilMs >= before)
  }

  #renew(id: bigint): Young | undefined {
    for (const { paths } of this.#old) {
      const path = paths.get(id)
      if (path === undefined) continue
      paths.delete(id)
      this.add(id, path, undefined)
      return this.#young.get(id)
    }
    return undefined
  }

  #age(): void {
    if (this.#young.size === 0 || this.#nowMs() < this.#youngUntilMs) return
    const paths = new Map<bigint, string>()
    for (const [id, { path }] of this.#young) paths.set(id, path)
    this.#old.push({ untilMs: this.#youngUntilMs, paths })
    this.#young.clear()
  }

  #forgetOldest(): void {
    const { paths } = this.#old.find(({ paths }) => paths.size > 0) ?? { paths: this.#young }
    for (const oldest of paths.keys()) {
      paths.delete(oldest)
      this.#forgotten++
      return
    }
  }
}

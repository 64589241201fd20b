// One object for each key that the kernel tells of again and again, read once: found by its bytes without making anything, and whoever
// remembers something of a key can do so by the object. Knows bytes; nothing of what they mean.

/** Keys that nobody told of for so long go, in twice as long at the latest, where others come. */
const IDLE_MS = 30_000
const FIRST_ROOM = 1024

export interface KnownKeysOptions {
  readonly idleMs?: number
  /** A clock that never goes back, ms. */
  readonly nowMs?: () => number
}

/**
 * Two generations of at most `most` keys: where the young one is full, or old enough, it becomes the old one and the old one goes, so that
 * making room takes no pause and what is told of again stays.
 */
export class KnownKeys<K> {
  readonly #words: number
  readonly #most: number
  readonly #read: (keys: DataView, at: number) => K
  readonly #idleMs: number
  readonly #nowMs: () => number
  #young: Generation<K>
  #old: Generation<K>
  #sinceMs: number
  /** Of the keys of a batch. */
  #hashes = new Int32Array(FIRST_ROOM)
  #guesses = new Int32Array(FIRST_ROOM)

  /** `bytes`: of a key, a multiple of 4. `read`: makes the object. */
  constructor(bytes: number, most: number, read: (keys: DataView, at: number) => K, options: KnownKeysOptions = {}) {
    const { idleMs = IDLE_MS, nowMs = () => performance.now() } = options
    this.#words = bytes / 4
    this.#most = most
    this.#read = read
    this.#idleMs = idleMs
    this.#nowMs = nowMs
    this.#young = new Generation(this.#words)
    this.#old = new Generation(this.#words)
    this.#sinceMs = nowMs()
  }

  /**
   * The keys of a batch, `count` of them end to end. A step for all of them before the next, each a short loop: the table is too large for
   * the processor's caches, and so it looks for several keys at a time.
   */
  find(keys: DataView, count: number): readonly K[] {
    if (this.#hashes.length < count) [this.#hashes, this.#guesses] = [new Int32Array(count), new Int32Array(count)]
    const [hashes, guesses, words] = [this.#hashes, this.#guesses, this.#words]
    for (let index = 0; index < count; index++) hashes[index] = hashOf(keys, 4 * words * index, words)
    const young = this.#young
    for (let index = 0; index < count; index++) guesses[index] = young.guess(hashes[index] as number)
    const found = new Array<K>(count)
    for (let index = 0; index < count; index++) {
      const at = 4 * words * index
      const number = guesses[index] as number
      const known = young.holds(number, keys, at) ? young.key(number) : undefined
      found[index] = known ?? this.#findOrRead(hashes[index] as number, keys, at)
    }
    return found
  }

  #findOrRead(hash: number, keys: DataView, at: number): K {
    const known = this.#young.find(hash, keys, at)
    if (known !== undefined) return known
    const key = this.#old.find(hash, keys, at) ?? this.#read(keys, at)
    this.#young.add(hash, keys, at, key)
    if (this.#young.size >= this.#most) this.#age()
    return key
  }

  /** To be called now and then. */
  letGo(): void {
    if (this.#nowMs() - this.#sinceMs >= this.#idleMs) this.#age()
  }

  #age(): void {
    this.#old = this.#young
    this.#young = new Generation(this.#words)
    this.#sinceMs = this.#nowMs()
  }
}

/** A hash table of keys' bytes, open addressing; it only grows. */
class Generation<K> {
  readonly #width: number
  readonly #keys: K[] = []
  /** Bytes of all keys, end to end. */
  #words: Int32Array
  #hashes = new Int32Array(FIRST_ROOM)
  /** Number of a key and 1, twice as many places as there is room for keys; 0: none. */
  #places = new Int32Array(2 * FIRST_ROOM)

  constructor(width: number) {
    this.#width = width
    this.#words = new Int32Array(FIRST_ROOM * width)
  }

  get size(): number {
    return this.#keys.length
  }

  /** Where most keys with this hash are; -1 where there is none. */
  guess(hash: number): number {
    return (this.#places[hash & (this.#places.length - 1)] as number) - 1
  }

  key(number: number): K | undefined {
    return this.#keys[number]
  }

  find(hash: number, keys: DataView, at: number): K | undefined {
    const mask = this.#places.length - 1
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const number = (this.#places[place] as number) - 1
      if (number < 0) return undefined
      if (this.holds(number, keys, at)) return this.#keys[number]
    }
  }

  /** One that is not there yet. */
  add(hash: number, keys: DataView, at: number, key: K): void {
    if (this.#keys.length === this.#hashes.length) this.#grow()
    const number = this.#keys.length
    for (let word = 0; word < this.#width; word++) this.#words[number * this.#width + word] = keys.getInt32(at + 4 * word, true)
    this.#hashes[number] = hash
    this.#keys.push(key)
    this.#put(number, hash)
  }

  /** Are these the bytes of that key? */
  holds(number: number, keys: DataView, at: number): boolean {
    if (number < 0) return false
    const from = number * this.#width
    for (let word = 0; word < this.#width; word++) {
      if (this.#words[from + word] !== keys.getInt32(at + 4 * word, true)) return false
    }
    return true
  }

  #put(number: number, hash: number): void {
    const mask = this.#places.length - 1
    let place = hash & mask
    while (this.#places[place] !== 0) place = (place + 1) & mask
    this.#places[place] = number + 1
  }

  #grow(): void {
    this.#words = longer(this.#words)
    this.#hashes = longer(this.#hashes)
    this.#places = new Int32Array(2 * this.#places.length)
    for (let number = 0; number < this.#keys.length; number++) this.#put(number, this.#hashes[number] as number)
  }
}

function longer(from: Int32Array): Int32Array<ArrayBuffer> {
  const to = new Int32Array(2 * from.length)
  to.set(from)
  return to
}

/** Nobody outside can tell which keys meet. */
const SEED = Math.floor(Math.random() * 2 ** 32) | 0

function hashOf(keys: DataView, at: number, words: number): number {
  let hash = SEED
  for (let word = 0; word < words; word++) {
    hash = Math.imul(hash ^ keys.getInt32(at + 4 * word, true), 0x9e3779b1)
    hash ^= hash >>> 15
  }
  return hash
}

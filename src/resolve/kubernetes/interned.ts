// One object for what many share, for as long as somebody has it. Knows keys and counts; nothing of the objects.

export interface Shared {
  readonly key: string
  holders: number
}

export class Interned<S extends Shared> {
  readonly #all = new Map<string, S>()
  readonly #make: (key: string) => S

  constructor(make: (key: string) => S) {
    this.#make = make
  }

  get size(): number {
    return this.#all.size
  }

  /** To be given back by each who has it. */
  have(key: string): S {
    let shared = this.#all.get(key)
    if (shared === undefined) {
      shared = this.#make(key)
      this.#all.set(shared.key, shared)
    }
    shared.holders++
    return shared
  }

  /** Nobody has any. */
  clear(): void {
    this.#all.clear()
  }

  giveBack(shared: S): void {
    if (--shared.holders === 0) this.#all.delete(shared.key)
  }
}

// Keys to those who claim them, of whom the last one counts. Knows nothing of keys and claimants.

export class Claims<K, R> {
  readonly #claims = new Map<K, R[]>()

  get size(): number {
    return this.#claims.size
  }

  /** Nobody claims a key twice. */
  add(key: K, claimant: R): void {
    const claimants = this.#claims.get(key)
    if (claimants === undefined) this.#claims.set(key, [claimant])
    else if (!claimants.includes(claimant)) claimants.push(claimant)
  }

  remove(key: K, claimant: R): void {
    const claimants = this.#claims.get(key)
    const at = claimants?.indexOf(claimant) ?? -1
    if (claimants === undefined || at === -1) return
    claimants.splice(at, 1)
    if (claimants.length === 0) this.#claims.delete(key)
  }

  has(key: K): boolean {
    return this.#claims.has(key)
  }

  last(key: K): R | undefined {
    return this.#claims.get(key)?.at(-1)
  }

  /** The claimant where there is but one. */
  only(key: K): R | undefined {
    const claimants = this.#claims.get(key)
    return claimants?.length === 1 ? claimants[0] : undefined
  }
}

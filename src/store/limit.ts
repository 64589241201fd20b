// How many sample lines may still be made. Counts lines; knows nothing of what they say.

export class SeriesLimit {
  readonly #limit: number
  #used = 0
  #returns = 0

  /** `limit`: sample lines, 1 at least. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Lines in use. */
  get used(): number {
    return this.#used
  }

  /** How often room was given back: who found none need not ask again before this has changed. */
  get returns(): number {
    return this.#returns
  }

  /** Takes room for `lines`, or answers false and takes none. */
  take(lines: number): boolean {
    if (this.#used + lines > this.#limit) return false
    this.#used += lines
    return true
  }

  /** As if they had not been taken: nobody need ask again. */
  putBack(lines: number): void {
    this.#used -= lines
  }

  giveBack(lines: number): void {
    this.#used -= lines
    this.#returns++
  }
}

// Shares the bytes of one snapshot among all who download it at the same time: encoded once, held once, as fast as the fastest
// reads, freed when the slowest has passed. Knows pages and readers; nothing of formats or sockets.

/**
 * Bytes that slow readers may hold back, all renderings together: two whole scrapes of 100,000 lines uncompressed. Beyond it
 * who holds pages back and has not moved for longest is cut off.
 */
const BUDGET_BYTES = 64 * 1024 * 1024

/** What a rendering holds besides its pages: a compressor's window and tables. */
const RENDERING_BYTES = 320 * 1024

interface SharedPage {
  readonly bytes: Buffer
  /** Readers that have not passed it. */
  holders: number
  /** Somebody left while it was being sent: it may still be read. */
  spoiled: boolean
}

export interface Source {
  readonly pages: AsyncGenerator<Buffer>
  /** Bytes that live as long as the pages are made: the snapshot's. */
  readonly heldBytes: number
}

export interface RenderingsOptions {
  readonly budgetBytes?: number
  /** Gets each page that every reader has passed. */
  readonly recycle?: (page: Buffer) => void
}

/** One download. `next` gives the next page and takes back the one before, which must have been sent by then. */
export interface Reader {
  /** undefined at the end, and where the reader was cut off. Rejects with the source's error. */
  next(): Promise<Buffer | undefined>
  /** To be called at the end of every download, however it ended; again does nothing. */
  leave(): void
}

export class Renderings {
  readonly #joinable = new WeakMap<object, Map<string, Rendering>>()
  readonly #live = new Set<Rendering>()
  readonly #budgetBytes: number
  readonly #recycle: (page: Buffer) => void

  constructor({ budgetBytes = BUDGET_BYTES, recycle = () => undefined }: RenderingsOptions = {}) {
    this.#budgetBytes = budgetBytes
    this.#recycle = recycle
  }

  /**
   * Joins the rendering of `of` as `form` if its first page still stands; else begins one from `source`. `onCut` is called
   * where the reader is cut off: what it was sending is to be dropped.
   */
  open(of: object, form: string, source: () => Source, onCut: () => void): Reader {
    const forms = this.#joinable.get(of) ?? new Map<string, Rendering>()
    let rendering = forms.get(form)
    if (rendering === undefined || !rendering.joinable) {
      rendering = new Rendering(source(), this.#recycle, () => this.#spend())
      forms.set(form, rendering)
      this.#joinable.set(of, forms)
      this.#live.add(rendering)
    }
    return rendering.join(onCut)
  }

  /** Bytes held now. */
  get heldBytes(): number {
    return this.#spend()
  }

  #spend(): number {
    for (;;) {
      let held = 0
      let stillest: SharedReader | undefined
      for (const rendering of this.#live) {
        if (rendering.readers.size === 0) {
          this.#live.delete(rendering)
          continue
        }
        held += rendering.heldBytes
        const last = rendering.stillest()
        if (last !== undefined && (stillest === undefined || last.moved < stillest.moved)) stillest = last
      }
      if (held <= this.#budgetBytes || stillest === undefined) return held
      // The only download there is, with nobody behind: it goes on, whatever its size.
      const [only, ...others] = this.#live
      if (others.length === 0 && only !== undefined && only.pageCount <= 1) return held
      stillest.cut()
    }
  }
}

class Rendering {
  readonly readers = new Set<SharedReader>()
  heldBytes: number
  joinable = true
  readonly #pages: SharedPage[] = []
  readonly #source: AsyncGenerator<Buffer>
  readonly #recycle: (page: Buffer) => void
  readonly #grown: () => void
  /** Number of the first page that is held. */
  #first = 0
  #pulling: Promise<void> | undefined
  #ended = false
  #error: unknown

  constructor(source: Source, recycle: (page: Buffer) => void, grown: () => void) {
    this.#source = source.pages
    this.heldBytes = source.heldBytes + RENDERING_BYTES
    this.#recycle = recycle
    this.#grown = grown
  }

  get pageCount(): number {
    return this.#pages.length
  }

  join(onCut: () => void): Reader {
    const reader = new SharedReader(this, onCut)
    this.readers.add(reader)
    for (const page of this.#pages) page.holders++
    return reader
  }

  /** Page number `at`, made if need be. */
  async page(at: number): Promise<Buffer | undefined> {
    while (at >= this.#first + this.#pages.length) {
      if (this.#error !== undefined) throw this.#error
      if (this.#ended) return undefined
      this.#pulling ??= this.#pull()
      await this.#pulling
    }
    return this.#pages[at - this.#first]?.bytes
  }

  async #pull(): Promise<void> {
    try {
      const { value, done } = await this.#source.next()
      if (done === true) this.#ended = true
      else if (this.readers.size > 0) {
        this.#pages.push({ bytes: value, holders: this.readers.size, spoiled: false })
        this.heldBytes += value.length
        this.#grown()
      }
    } catch (error) {
      this.#error = error
      this.joinable = false
    } finally {
      this.#pulling = undefined
    }
  }

  /** A reader is done with pages `from` to `to`, or with all from there on. */
  release(from: number, to: number, spoiled: boolean): void {
    for (let at = from; at < Math.min(to, this.#first + this.#pages.length); at++) {
      const page = this.#pages[at - this.#first] as SharedPage
      page.holders--
      page.spoiled ||= spoiled && at === from
    }
    while (this.#pages[0]?.holders === 0) {
      const page = this.#pages.shift() as SharedPage
      this.#first++
      this.joinable = false
      this.heldBytes -= page.bytes.length
      if (!page.spoiled) this.#recycle(page.bytes)
    }
  }

  leave(reader: SharedReader): void {
    this.readers.delete(reader)
    if (this.readers.size > 0) return
    this.joinable = false
    this.#ended = true
    this.#source.return(undefined).catch(() => undefined)
  }

  /** Of those who still hold the first page, who has not moved for longest. */
  stillest(): SharedReader | undefined {
    let found: SharedReader | undefined
    for (const reader of this.readers) {
      if (reader.passed <= this.#first && (found === undefined || reader.moved < found.moved)) found = reader
    }
    return found
  }
}

/** Of all readers' moves, in their order. */
let moves = 0

class SharedReader implements Reader {
  readonly #rendering: Rendering
  /** Pages sent. */
  passed = 0
  /** When it last came or was done with a page, in moves of all. */
  moved = ++moves
  #holding = false
  #left = false
  readonly #onCut: () => void

  constructor(rendering: Rendering, onCut: () => void) {
    this.#rendering = rendering
    this.#onCut = onCut
  }

  async next(): Promise<Buffer | undefined> {
    if (this.#holding) {
      this.#holding = false
      this.#rendering.release(this.passed, this.passed + 1, false)
      this.passed++
      this.moved = ++moves
    }
    const page = this.#left ? undefined : await this.#rendering.page(this.passed)
    if (this.#left || page === undefined) {
      this.leave()
      return undefined
    }
    this.#holding = true
    return page
  }

  leave(): void {
    if (this.#left) return
    this.#left = true
    this.#rendering.release(this.passed, Number.POSITIVE_INFINITY, this.#holding)
    this.#holding = false
    this.#rendering.leave(this)
  }

  cut(): void {
    this.leave()
    this.#onCut()
  }
}

// Pages that are written, sent and written again: fresh memory costs nine times what encoding into used memory does, since the
// kernel clears every new page of it. Knows nothing of what is in them.
import { PAGE_BYTES } from './text.ts'

/** Free pages kept, 2 MiB: a scrape has one or two in hand at a time, and few scrapes of different snapshots run at once. */
const FREE_PAGES = 8

export class PagePool {
  readonly #free: Buffer[] = []

  /** At least `bytes` long; its content is whatever was there. */
  take(bytes: number): Buffer {
    const free = bytes === PAGE_BYTES ? this.#free.pop() : undefined
    return free ?? Buffer.allocUnsafeSlow(bytes)
  }

  /** `page`, or a part cut from its front, is not read by anybody any more. Buffers that came from elsewhere are left alone. */
  give(page: Buffer): void {
    if (page.buffer.byteLength === PAGE_BYTES && this.#free.length < FREE_PAGES) this.#free.push(Buffer.from(page.buffer))
  }
}

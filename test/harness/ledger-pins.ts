// The ledger that an exporter left in its pins, as bytes to look at and to break. Knows how it is cut into maps; nothing of what stands in it.
import { libbpf } from '../../src/kernel/libbpf.ts'
import { getEntry, mapInfo, putEntry } from '../../src/kernel/maps.ts'
import { PinDirectory } from '../../src/kernel/pins.ts'

/** Of the exporter that had it, which must have ended. */
export class LedgerPins implements Disposable {
  readonly pins: PinDirectory

  constructor(path: string) {
    this.pins = PinDirectory.open(path)
  }

  /** `ledger_header`, `ledger_0`, … */
  get names(): readonly string[] {
    return this.pins.names().filter((name) => name.startsWith('ledger_'))
  }

  read(name: string): Buffer {
    return this.#with(name, (fd, bytes, entries) =>
      Buffer.concat(Array.from({ length: entries }, (_, index) => getEntry(fd, keyOf(index), bytes))),
    )
  }

  /** All of it, but only what differs is stored. */
  write(name: string, content: Buffer): void {
    this.#with(name, (fd, bytes, entries) => {
      for (let index = 0; index < entries; index++) {
        const entry = content.subarray(index * bytes, (index + 1) * bytes)
        if (!getEntry(fd, keyOf(index), bytes).equals(entry)) putEntry(fd, keyOf(index), entry)
      }
    })
  }

  change(name: string, how: (content: Buffer) => void): void {
    const content = this.read(name)
    how(content)
    this.write(name, content)
  }

  #with<T>(name: string, body: (fd: NonNullable<ReturnType<PinDirectory['get']>>, bytes: number, entries: number) => T): T {
    const fd = this.pins.get(name)
    if (fd === undefined) throw new Error(`there is no ${name}`)
    try {
      const { valueSize, maxEntries } = mapInfo(fd)
      return body(fd, valueSize, maxEntries)
    } finally {
      libbpf().libc.close(fd)
    }
  }

  [Symbol.dispose](): void {
    this.pins[Symbol.dispose]()
  }
}

function keyOf(index: number): Buffer {
  const key = Buffer.alloc(4)
  key.writeUInt32LE(index)
  return key
}

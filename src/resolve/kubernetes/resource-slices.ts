// The devices that drivers of resource claims offer on this node: their names to the GPUs' UUIDs. Knows no pods and no claims.
import { Inventory, type Listed } from './inventory.ts'
import type { ObjectSink } from './object-sink.ts'
import type { ResourceSlice } from './resource-slice.ts'

interface SliceRecord extends Listed {
  slice: ResourceSlice
}

/** A driver has one a node, or a few; whoever asks looks through all. */
const MAX_SLICES = 256

export class ResourceSlices implements ObjectSink<ResourceSlice> {
  readonly #inventory = new Inventory<SliceRecord>()

  /** By the newest generation of the pool that has such a device. */
  uuidOf(pool: string, device: string): string | undefined {
    let newest: ResourceSlice | undefined
    for (const { slice } of this.#inventory.values()) {
      if (slice.pool === pool && slice.uuids.has(device) && slice.generation >= (newest?.generation ?? 0)) newest = slice
    }
    return newest?.uuids.get(device)
  }

  listing(): void {
    this.#inventory.listing()
  }

  listed(): Promise<void> | undefined {
    return this.#inventory.listed(() => undefined)
  }

  put(slice: ResourceSlice): void {
    const known = this.#inventory.see(slice.uid)
    if (known !== undefined) known.slice = slice
    else if (this.#inventory.size < MAX_SLICES) this.#inventory.add(slice.uid, { slice, seen: 0 })
  }

  remove({ uid }: ResourceSlice): void {
    this.#inventory.take(uid)
  }
}

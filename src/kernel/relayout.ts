// Copies a hash map into one of another layout, field by field. Knows names, offsets and sizes; nothing of what fields mean.
import type { Shape } from './btf.ts'
import type { MapShape } from './layout-pins.ts'
import { type Fd, libbpf } from './libbpf.ts'
import { makeHash } from './made-maps.ts'
import { MapDrain, mapInfo, putEntry } from './maps.ts'

interface Copy {
  readonly from: number
  readonly to: number
  readonly size: number
}

export interface Relayout {
  readonly map: Fd
  readonly from: MapShape
  readonly to: MapShape
  /** A map in the layout that is wanted. */
  readonly like: Fd
  /** A field of the key that is to be zero. */
  readonly blank: string
  /** Of the copy, as the kernel keeps it. */
  readonly name: string
}

/** Hands a copy of `map` in the layout of `like` to `use`: a field that `map` lacks is zero, one that `like` lacks is left out. */
export async function withLayout({ map, from, to, like, blank, name }: Relayout, use: (copy: Fd) => void): Promise<void> {
  const [source, target] = [mapInfo(map), mapInfo(like)]
  const keys = copies(from.key, new Map([...to.key].filter(([name]) => name !== blank)))
  const values = copies(from.value, to.value)
  const copy = makeHash(name, target.keySize, target.valueSize, source.maxEntries)
  try {
    for await (const batch of new MapDrain(source.keySize, source.valueSize).read(map)) {
      for (let i = 0; i < batch.count; i++) {
        const key = moved(batch.keys, i * source.keySize, target.keySize, keys)
        putEntry(copy, key, moved(batch.values, i * source.valueSize, target.valueSize, values))
      }
    }
    use(copy)
  } finally {
    libbpf().libc.close(copy)
  }
}

/** Only what stands in both, with the same size. */
function copies(from: Shape, to: Shape): readonly Copy[] {
  return [...to].flatMap(([name, { offset, size }]) => {
    const field = from.get(name)
    return field?.size === size ? [{ from: field.offset, to: offset, size }] : []
  })
}

function moved(bytes: Buffer, at: number, size: number, fields: readonly Copy[]): Buffer {
  const made = Buffer.alloc(size)
  for (const { from, to, size } of fields) bytes.copy(made, to, at + from, at + from + size)
  return made
}

// Where the fields of a struct stand, from BTF. Knows the format (Documentation/bpf/btf.rst); nothing of what fields mean.

export interface Field {
  /** Bytes from the start of the key or value. */
  readonly offset: number
  readonly size: number
}

/** Fields by name; those of a struct inside it as `key.port`, of one without a name as its own. */
export type Shape = ReadonlyMap<string, Field>

const MAGIC = 0xeb9f
const KIND = { int: 1, array: 3, struct: 4, union: 5, enum: 6, typedef: 8, volatile: 9, const: 10, restrict: 11, typeTag: 18, enum64: 19 }
/** Bytes that follow the head of a type: for all of it, and for each of its members. */
const TAIL: Readonly<Record<number, readonly [number, number]>> = {
  1: [4, 0],
  3: [12, 0],
  4: [0, 12],
  5: [0, 12],
  6: [0, 8],
  13: [0, 8],
  14: [4, 0],
  15: [0, 12],
  17: [4, 0],
  19: [0, 12],
}
const HEAD_BYTES = 12

/** Of a type by its number in `raw`, which is BTF as a file or the kernel holds it. */
export function shapeIn(raw: Buffer, type: number): Shape {
  return new Types(raw).shape(type)
}

class Types {
  readonly #raw: Buffer
  readonly #strings: number
  /** Where each type's head is, by its id; id 0 is void. */
  readonly #heads: number[] = [0]

  constructor(raw: Buffer) {
    if (raw.readUInt16LE(0) !== MAGIC) throw new RangeError('this is no BTF')
    const header = raw.readUInt32LE(4)
    const begin = header + raw.readUInt32LE(8)
    const end = begin + raw.readUInt32LE(12)
    this.#raw = raw
    this.#strings = header + raw.readUInt32LE(16)
    for (let at = begin; at < end; ) {
      this.#heads.push(at)
      const [all, each] = TAIL[this.#kind(at)] ?? [0, 0]
      at += HEAD_BYTES + all + each * this.#members(at)
    }
  }

  shape(type: number): Shape {
    const fields = new Map<string, Field>()
    this.#collect(type, '', 0, fields)
    return fields
  }

  #collect(type: number, prefix: string, base: number, into: Map<string, Field>): void {
    const head = this.#resolved(type)
    if (this.#kind(head) !== KIND.struct && this.#kind(head) !== KIND.union) return
    const bits = this.#raw.readUInt32LE(head + 4) >>> 31 === 1 ? 0xffffff : 0xffffffff
    for (let i = 0; i < this.#members(head); i++) {
      const at = head + HEAD_BYTES + 12 * i
      const name = this.#string(this.#raw.readUInt32LE(at))
      const member = this.#raw.readUInt32LE(at + 4)
      const offset = base + ((this.#raw.readUInt32LE(at + 8) & bits) >>> 0) / 8
      if (name !== '') into.set(prefix + name, { offset, size: this.#size(member) })
      this.#collect(member, name === '' ? prefix : `${prefix}${name}.`, offset, into)
    }
  }

  #size(type: number): number {
    const head = this.#resolved(type)
    if (this.#kind(head) !== KIND.array) return this.#raw.readUInt32LE(head + 8)
    return this.#size(this.#raw.readUInt32LE(head + HEAD_BYTES)) * this.#raw.readUInt32LE(head + HEAD_BYTES + 8)
  }

  /** Behind names and qualifiers. */
  #resolved(type: number): number {
    const head = this.#heads[type] ?? 0
    const through: readonly number[] = [KIND.typedef, KIND.volatile, KIND.const, KIND.restrict, KIND.typeTag]
    return through.includes(this.#kind(head)) ? this.#resolved(this.#raw.readUInt32LE(head + 8)) : head
  }

  #kind(head: number): number {
    return (this.#raw.readUInt32LE(head + 4) >>> 24) & 0x1f
  }

  #members(head: number): number {
    return this.#raw.readUInt32LE(head + 4) & 0xffff
  }

  #string(offset: number): string {
    const at = this.#strings + offset
    return this.#raw.toString('latin1', at, this.#raw.indexOf(0, at))
  }
}

// Where the fields of pinned maps stand, pinned beside them by layout: a later build reads what an earlier one left by it. The kernel
// knows their types too, but tells them to CAP_SYS_ADMIN alone. Knows JSON and names of pins; nothing of when it is needed.
import type { Shape } from './btf.ts'
import type { PinDirectory } from './pins.ts'
import { readText, writeText } from './texts.ts'

export interface MapShape {
  readonly key: Shape
  readonly value: Shape
}
/** Maps that outlive a change of layout. */
export const SHAPED = ['connections', 'flows_a', 'health_a'] as const
export type Shapes = Readonly<Record<(typeof SHAPED)[number], MapShape>>

type Fields = readonly (readonly [string, number, number])[]

const BYTES = 16_384
const PIN = 'layout_'
/** Short enough for the name that the kernel keeps of a map, 15 letters with its own word before it. */
const TAG_LETTERS = 10

/** Names a layout in names of pins and maps. */
export const tagOf = (layoutHash: string): string => layoutHash.slice(0, TAG_LETTERS)

/** Does nothing where it is there. Throws KernelError. */
export function keepLayout(pins: PinDirectory, layoutHash: string, shapes: () => Shapes): void {
  const pin = PIN + tagOf(layoutHash)
  if (pins.has(pin)) return
  const text = Object.entries(shapes()).map(([map, { key, value }]) => [map, { key: fieldsOf(key), value: fieldsOf(value) }])
  writeText(pins, pin, JSON.stringify(Object.fromEntries(text)), BYTES)
}

/** Undefined where nobody kept it. */
export function layoutOf(pins: PinDirectory, tag: string): Shapes | undefined {
  const text = readText(pins, PIN + tag, BYTES)
  if (text === undefined) return undefined
  const maps = JSON.parse(text) as Record<string, { key: Fields; value: Fields }>
  return Object.fromEntries(
    Object.entries(maps).map(([map, { key, value }]) => [map, { key: shapeOf(key), value: shapeOf(value) }]),
  ) as Shapes
}

/** Lets go all layouts but this one. */
export function forgetLayouts(pins: PinDirectory, layoutHash: string): void {
  for (const name of pins.names()) if (name.startsWith(PIN) && name !== PIN + tagOf(layoutHash)) pins.remove(name)
}

const fieldsOf = (shape: Shape): Fields => [...shape].map(([name, { offset, size }]) => [name, offset, size])
const shapeOf = (fields: Fields): Shape => new Map(fields.map(([name, offset, size]) => [name, { offset, size }]))

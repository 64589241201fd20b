// What builds with other settings or another layout left, kept until it is counted and taken over. Knows names of pins; nothing of programs.
import type { Shape } from './btf.ts'
import { forgetLayouts, layoutOf, type Shapes, tagOf } from './layout-pins.ts'
import { LAYOUT_HASH } from './layouts.ts'
import { type Fd, libbpf } from './libbpf.ts'
import { INNER_MAPS, pinName } from './map-pins.ts'
import { isEmpty, MapDrain, mapInfo } from './maps.ts'
import type { PinDirectory } from './pins.ts'

/** Connections of a build with another layout, until they have been taken over; the layout's tag follows. */
const OLD_CONNECTIONS = pinName('old_connections_')
const HELD = /^map_held(\d+)_([0-9a-f]+)_(\w+)$/
/** Begins the kernel's name of a map that was copied from another layout; the tag of the layout that it is in now follows. */
const COPIED = 'held_'
const TAG = tagOf(LAYOUT_HASH)
/** The kernel's name of a held map that was copied into this build's layout. */
export const COPIED_HERE = COPIED + TAG

/**
 * Keeps what a build with another layout counted and watched. Ended in between, the next start finds `about` and goes on: what there
 * is without it is nobody's, but for what has been set aside.
 */
export function setAside(pins: PinDirectory, layout: string): void {
  hold(pins, layout)
  pins.rename(pinName('connections'), OLD_CONNECTIONS + tagOf(layout))
  pins.remove('about')
}

/** Keeps flow maps of another size or layout until they have been read. */
export function hold(pins: PinDirectory, layout: string): void {
  const group = (heldPins(pins).at(-1)?.group ?? 0) + 1
  for (const name of INNER_MAPS) pins.rename(pinName(name), pinName(`held${group}_${tagOf(layout)}_${name}`))
}

interface HeldPin {
  readonly pin: string
  readonly group: number
  readonly tag: string
  readonly map: string
}

/** In the order in which they were. */
function heldPins(pins: PinDirectory): readonly HeldPin[] {
  const held = pins.names().flatMap((pin) => {
    const [, group, tag = '', map = ''] = HELD.exec(pin) ?? []
    return group === undefined ? [] : [{ pin, group: Number(group), tag, map }]
  })
  return held.sort((one, other) => one.group - other.group || INNER_MAPS.indexOf(one.map) - INNER_MAPS.indexOf(other.map))
}

export interface OldConnections {
  readonly fd: Fd
  /** Of their storage. */
  readonly shape: Shape
}

/** Undefined where there are none, or nobody kept their layout. */
export function oldConnections(pins: PinDirectory): OldConnections | undefined {
  const pin = pins.names().find((name) => name.startsWith(OLD_CONNECTIONS))
  const shapes = pin === undefined ? undefined : layoutOf(pins, pin.slice(OLD_CONNECTIONS.length))
  if (pin === undefined || shapes === undefined) return undefined
  return { fd: pins.get(pin) as Fd, shape: shapes.connections.value }
}

/** What was set aside has been taken over: everything is of this build's layout. */
export function tookOver(pins: PinDirectory): void {
  for (const name of pins.names()) if (name.startsWith(OLD_CONNECTIONS)) pins.remove(name)
  forgetLayouts(pins, LAYOUT_HASH)
}

/** A map of an earlier build or size, whose content has still to be counted. */
export interface HeldMap {
  readonly holds: 'flows' | 'health'
  readonly fd: Fd
  /** Undefined where it is of this build's. */
  readonly layout: Shapes | undefined
  /** Puts another in its place. */
  readonly replace: (fd: Fd) => void
  /** It has been counted: it goes, or, where this process may not remove it, is emptied. */
  readonly release: () => Promise<void>
}

/** Held maps that somebody emptied who could not remove them. */
export function dropCounted(pins: PinDirectory): void {
  for (const { pin } of heldPins(pins)) {
    const fd = pins.get(pin)
    if (fd === undefined) continue
    if (isEmpty(fd)) pins.remove(pin)
    libbpf().libc.close(fd)
  }
}

export function heldMaps(pins: PinDirectory): readonly HeldMap[] {
  return heldPins(pins).flatMap(({ pin, tag, map }): HeldMap[] => {
    const fd = pins.get(pin)
    if (fd === undefined) return []
    const { name, keySize, valueSize } = mapInfo(fd)
    const now = name.startsWith(COPIED) ? name.slice(COPIED.length) : tag
    let released = false
    const release = async (): Promise<void> => {
      if (released) return
      if (pins.writable) pins.remove(pin)
      else await new MapDrain(keySize, valueSize).empty(fd)
      libbpf().libc.close(fd)
      released = true
    }
    return [
      {
        holds: map.startsWith('health') ? 'health' : 'flows',
        fd,
        layout: now === TAG ? undefined : layoutOf(pins, now),
        replace: (other) => pins.put(pin, other, 'write'),
        release,
      },
    ]
  })
}

// Texts in array maps, to be pinned beside what they tell of. Knows zeroes at their end; nothing of what they say.
import { type Fd, libbpf } from './libbpf.ts'
import { makeArray } from './made-maps.ts'
import { readValue, writeValue } from './maps.ts'
import type { PinDirectory } from './pins.ts'

/** Undefined where nothing is pinned under the name. Throws KernelError. */
export function readText(pins: Pick<PinDirectory, 'look'>, pin: string, bytes: number): string | undefined {
  const fd = pins.look(pin)
  if (fd === undefined) return undefined
  try {
    const text = readValue(fd, Buffer.alloc(bytes))
    return text.toString('utf8', 0, Math.max(text.indexOf(0), 0))
  } finally {
    libbpf().libc.close(fd)
  }
}

/** In place of what was there. The pins' group may read it. Throws KernelError. */
export function writeText(pins: PinDirectory, pin: string, text: string, bytes: number): void {
  const value = Buffer.alloc(bytes)
  value.write(text)
  const found = pins.get(pin)
  const fd: Fd = found ?? makeArray(`orb8_${pin}`.slice(0, 15), bytes, 1)
  try {
    writeValue(fd, value)
    if (found === undefined) pins.put(pin, fd, 'read')
  } finally {
    libbpf().libc.close(fd)
  }
}

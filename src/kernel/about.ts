// What is pinned: by which build, with which sizes, and which programs run. A text in an array map beside the other pins. Knows JSON;
// nothing of maps and programs.

import { type Fd, libbpf } from './libbpf.ts'
import { makeArray } from './made-maps.ts'
import { readValue, writeValue } from './maps.ts'
import type { Refusal } from './object.ts'
import type { PinDirectory } from './pins.ts'

export interface About {
  /** LAYOUT_HASH of whoever made the maps. */
  readonly layout: string
  /** Of the object file that the programs are from. */
  readonly build: string
  /** False while programs are being put in place: what is there is whole, but not all of this build. */
  readonly complete: boolean
  readonly cgroupRoot: string
  readonly flowEntries: number
  readonly sockets: number
  readonly programs: readonly string[]
  readonly refused: readonly Refusal[]
}

const PIN = 'about'
const BYTES = 16_384
/** So that every program may be refused with its reason. */
const REASON_LETTERS = 400

/** Undefined where nothing is pinned, or by nobody that we know. */
export function readAbout(pins: Pick<PinDirectory, 'look'>): About | undefined {
  const fd = pins.look(PIN)
  if (fd === undefined) return undefined
  try {
    const text = readValue(fd, Buffer.alloc(BYTES))
    const about = JSON.parse(text.toString('utf8', 0, Math.max(text.indexOf(0), 0))) as About | null
    return Array.isArray(about?.programs) && Array.isArray(about.refused) ? about : undefined
  } catch {
    return undefined
  } finally {
    libbpf().libc.close(fd)
  }
}

export function writeAbout(pins: PinDirectory, about: About): void {
  const refused = about.refused.map((refusal) => ({ ...refusal, reason: refusal.reason.slice(-REASON_LETTERS) }))
  const text = Buffer.alloc(BYTES)
  text.write(JSON.stringify({ ...about, refused }))
  const found = pins.get(PIN)
  const fd: Fd = found ?? makeArray('orb8_about', BYTES, 1)
  try {
    writeValue(fd, text)
    if (found === undefined) pins.put(PIN, fd, 'read')
  } finally {
    libbpf().libc.close(fd)
  }
}

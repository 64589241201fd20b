// What is pinned: by which build, with which sizes, and which programs run. A text in an array map beside the other pins. Knows JSON;
// nothing of maps and programs.
import type { Refusal } from './object.ts'
import type { PinDirectory } from './pins.ts'
import { readText, writeText } from './texts.ts'

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

/** Undefined where nothing is pinned, or by nobody that we know. Throws KernelError. */
export function readAbout(pins: Pick<PinDirectory, 'look'>): About | undefined {
  const text = readText(pins, PIN, BYTES)
  try {
    const about = JSON.parse(text ?? 'null') as About | null
    return Array.isArray(about?.programs) && Array.isArray(about.refused) ? about : undefined
  } catch {
    return undefined
  }
}

export function writeAbout(pins: PinDirectory, about: About): void {
  const refused = about.refused.map((refusal) => ({ ...refusal, reason: refusal.reason.slice(-REASON_LETTERS) }))
  writeText(pins, PIN, JSON.stringify({ ...about, refused }), BYTES)
}

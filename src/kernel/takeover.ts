// What a new build must know of the socket storage of the build that it replaces. Knows fields by name; nothing of when it happens.
import type { Shape } from './btf.ts'
import { OLD_CONNECTION, SETTINGS } from './layouts.ts'

const ABSENT = 0xffffffff

/** Field of `struct old_connection`, field of the old storage, and its size in bytes. */
const NEEDED = [
  ['lock', 'lock', 4],
  ['phase', 'phase', 1],
  ['birth', 'birth', 1],
  ['adopted', 'adopted', 1],
  ['role', 'role', 1],
  ['sent', 'sent', 8],
  ['received', 'received', 8],
  ['segmentsOut', 'segments_out', 4],
  ['segmentsIn', 'segments_in', 4],
  ['sequenceBase', 'sequence_base', 4],
  ['port', 'key.port', 2],
] as const
const WELCOME = [
  ['retransmitted', 'retransmitted', 4],
  ['dialledAddress', 'dialled.address', 16],
  ['dialledPort', 'dialled.port', 2],
  ['connectUs', 'connect_us', 4],
] as const

/** Writes where the fields of that storage stand into `settings`. False where it lacks one that nothing can go on without. */
export function describeOld(value: Shape, settings: Buffer): boolean {
  const at = SETTINGS.old
  if (NEEDED.some(([, name, size]) => offsetOf(value, name, size) === ABSENT)) return false
  for (const [field, name, size] of [...NEEDED, ...WELCOME]) {
    settings.writeUInt32LE(offsetOf(value, name, size), at + OLD_CONNECTION[field])
  }
  settings.writeUInt32LE(1, SETTINGS.takingOver)
  return true
}

function offsetOf(shape: Shape, name: string, size: number): number {
  const field = shape.get(name)
  return field?.size === size ? field.offset : ABSENT
}

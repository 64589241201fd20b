// Reads a ledger that somebody else left and judges it: every record and number exactly as committed, or a reason to trust none of it.
// Changes nothing.
import { type FoundRecord, readRecord } from './ledger-records.ts'
import type { Bank, LedgerSlots } from './ledger-slots.ts'
import { MEASURES, type Slot } from './numbers.ts'

/** The ledger's own slot. */
export const META = 0 as Slot
/** What the numbers of META's slot mean. */
export const META_NUMBERS = {
  /** Live slots beside META. */
  records: MEASURES.sentBytes,
  /** The sum of their banks' checks: a bank that was lost, revived or replaced by an older one shows here. */
  census: MEASURES.receivedBytes,
  /** End of the last collection, ms since the epoch. */
  collectedMs: MEASURES.sentPackets,
} as const

export interface FoundSlot {
  readonly slot: Slot
  readonly bank: Bank
  readonly record: FoundRecord
  readonly check: number
}

export interface Survey {
  /** The bank that counts of META. */
  readonly meta: Bank
  readonly records: number
  readonly census: number
  readonly found: readonly FoundSlot[]
  readonly damage?: string
}

/** `committed`: the last drain that counts. */
export function survey(slots: LedgerSlots, committed: number): Survey {
  const nothing = { meta: 0, records: 0, census: 0, found: [] } as const
  if (committed === 0) return nothing
  const meta = slots.count === 0 ? undefined : currentBank(slots, META, committed)
  if (meta === undefined || slots.stamp(META, meta) !== committed || !slots.live(META, meta) || !slots.intact(META, meta, 0)) {
    return { ...nothing, damage: 'it does not agree with its header' }
  }
  const found: FoundSlot[] = []
  const taken = new Uint8Array(slots.count)
  const keys = new Set<string>()
  let census = 0
  for (let slot = 1 as Slot; slot < slots.count; slot++) {
    const bank = currentBank(slots, slot, committed)
    if (bank === undefined || !slots.live(slot, bank)) continue
    const record = readRecord(slots, slot)
    if (record === undefined || !slots.intact(slot, bank, record.hash) || !slots.finite(slot, bank)) {
      return { ...nothing, damage: `series ${slot} is damaged` }
    }
    if (keys.has(record.key)) return { ...nothing, damage: 'two series have the same labels' }
    keys.add(record.key)
    for (const used of [slot, ...record.chain]) {
      if (used === META || taken[used] === 1) return { ...nothing, damage: 'two series share a slot' }
      taken[used] = 1
    }
    const check = slots.check(slot, bank)
    census += check
    found.push({ slot, bank, record, check })
  }
  return { meta, records: found.length, census, found }
}

/** The bank with the highest stamp that is committed. */
export function currentBank(slots: LedgerSlots, slot: Slot, committed: number): Bank | undefined {
  const first = committedStamp(slots, slot, 0, committed)
  const second = committedStamp(slots, slot, 1, committed)
  if (first === 0 && second === 0) return undefined
  return first >= second ? 0 : 1
}

function committedStamp(slots: LedgerSlots, slot: Slot, bank: Bank, committed: number): number {
  const stamp = slots.stamp(slot, bank)
  return stamp > 0 && stamp <= committed ? stamp : 0
}

// Every store to the ledger's memory goes through here, so that a test can end the process between any two of them.
// Each is one machine store that a kill finds done or not done. Knows nothing of what is stored.

export interface LedgerWriter {
  float64(to: Float64Array, index: number, value: number): void
  uint32(to: Uint32Array, index: number, value: number): void
  /** Nothing before it in the program is stored after it. */
  word(to: BigUint64Array, index: number, value: bigint): void
  /** Not one store: a kill may find any part of it done. */
  zero(bytes: Uint8Array): void
}

export const LEDGER_WRITER: LedgerWriter = {
  float64(to, index, value) {
    to[index] = value
  },
  uint32(to, index, value) {
    to[index] = value
  },
  word(to, index, value) {
    Atomics.store(to, index, value)
  },
  zero(bytes) {
    bytes.fill(0)
  },
}

// Keeps the gauge of open connections true where a connection is opened in one row and closed in another: it found room in
// between (series limit) or none (kernel map), or its owner got or lost a name. What a row lacks is taken from the likeliest other
// row, so that no row is negative and sums stay exact; which of several rows held it cannot always be told. No counter is touched.
import { MEASURES, type Numbers } from './numbers.ts'
import type { Row } from './row.ts'

/** Rows that answer alike may have held each other's connections. */
export type Likeness = (row: Row) => string

/**
 * Pays what the rows in `owing` lack, leaves in it those for which nobody has anything, and answers who gave.
 * To be called between collections: within one, a close may be added before its open.
 */
export function settle(owing: Set<Row>, rows: readonly Row[], likenesses: readonly Likeness[], numbers: Numbers): ReadonlySet<Row> {
  const gave = new Set<Row>()
  const balance = (row: Row): number => numbers.total(row.slot, MEASURES.active)
  for (const row of owing) if (balance(row) >= 0) owing.delete(row)
  for (const likeness of likenesses) {
    if (owing.size === 0) break
    const givers = giversByLikeness(owing, rows, likeness, balance)
    for (const row of owing) {
      const alike = givers.get(likeness(row)) ?? []
      for (let giver = alike.at(-1); giver !== undefined && balance(row) < 0; giver = alike.at(-1)) {
        const given = Math.min(balance(giver), -balance(row))
        numbers.add(giver.slot, MEASURES.active, -given)
        numbers.add(row.slot, MEASURES.active, given)
        // What lacks shows 0, before and after.
        gave.add(giver)
        if (balance(giver) === 0) alike.pop()
      }
      if (balance(row) >= 0) owing.delete(row)
    }
  }
  return gave
}

/** Rows with open connections, the likeliest to have lost one last: `other` and `overflow`, then still ones, each oldest last. */
function giversByLikeness(owing: Set<Row>, rows: readonly Row[], likeness: Likeness, balance: (row: Row) => number): Map<string, Row[]> {
  const wanted = new Map<string, [moving: Row[], still: Row[], catchAlls: Row[]]>()
  for (const row of owing) wanted.set(likeness(row), [[], [], []])
  for (const row of rows.toReversed()) {
    if (balance(row) <= 0) continue
    wanted.get(likeness(row))?.[row.catchAll ? 2 : row.moved ? 0 : 1].push(row)
  }
  return new Map(Array.from(wanted, ([alike, ranks]) => [alike, ranks.flat()]))
}

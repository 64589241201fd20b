import t from 'tap'
import type { LedgerMemory } from '../../src/store/ledger-memory.ts'
import { collect, type History, madeUpHistory, seeded, seen, storeOn, type Truth, truthOf } from './histories.ts'
import { copyOf, Killed, mortalWriter } from './kept-memory.ts'

const IMMORTAL = Number.POSITIVE_INFINITY

/** Runs `deed`, which may be killed. */
async function killed(deed: () => unknown): Promise<boolean> {
  try {
    await deed()
    return false
  } catch (error) {
    if (error instanceof Killed) return true
    throw error
  }
}

/** A process that opens the ledger before collection `index`, does it, and is killed at a store. Answers whether it was. */
function collectMortally(history: History, memory: LedgerMemory, index: number, stores: number): Promise<boolean> {
  const clock = { nowMs: history.rounds[index]?.clockMs ?? 0 }
  return killed(() => collect(storeOn(history, memory, clock, mortalWriter(stores)), history, index))
}

/** What is wrong with what the next process makes of a ledger left in collection `index`. */
async function faults(history: History, truth: Truth, left: LedgerMemory, index: number): Promise<string[]> {
  const clock = { nowMs: history.rounds[index]?.clockMs ?? 0 }
  const store = storeOn(history, copyOf(left, history.chunks), clock)
  if (!store.opening.restored) return [`began anew: ${store.opening.reason}`]
  const { committed, emptied } = store.drains()
  if (committed.number !== index && committed.number !== index + 1) return [`drain ${committed.number} is committed`]
  if (committed.number > 0 && committed.source !== (committed.number - 1) % 2)
    return [`drain ${committed.number} came from ${committed.source}`]
  if (emptied.number > committed.number || emptied.number < index)
    return [`drain ${emptied.number} is emptied, ${committed.number} committed`]
  const found: string[] = []
  const snapshot = committed.number === index ? await collect(store, history, index) : store.snapshot(1000 + index)
  if (seen(store, snapshot) !== truth.seen[index]) found.push(`collection ${index} differs, ${committed.number} committed`)
  if (committed.number === index + 1) store.emptied()
  for (const later of [index + 1, index + 2].filter((at) => at < history.rounds.length)) {
    clock.nowMs = history.rounds[later]?.clockMs ?? 0
    if (seen(store, await collect(store, history, later)) !== truth.seen[later]) found.push(`collection ${later} after ${index} differs`)
  }
  return found
}

async function storesOf(history: History, truth: Truth, index: number): Promise<number> {
  const writer = mortalWriter(IMMORTAL)
  const clock = { nowMs: history.rounds[index]?.clockMs ?? 0 }
  await collect(storeOn(history, copyOf(truth.memories[index] as LedgerMemory, history.chunks), clock, writer), history, index)
  return writer.done
}

t.test('a process killed at any store of a collection leaves a ledger with all of it or nothing of it', async (t) => {
  const history = { ...madeUpHistory(20, { rounds: 9, flows: 5 }), seriesLimit: 60 }
  const truth = await truthOf(history)
  const tables = truth.snapshots.map(({ flows, containers, health }) => [flows, containers, ...health])
  for (const index of tables[0]?.keys() ?? []) t.ok(tables.filter((all) => all[index]?.rows.length).length > 2, `rows of table ${index}`)
  let kills = 0
  for (let index = 0; index < history.rounds.length; index++) {
    const stores = await storesOf(history, truth, index)
    for (let at = 0; at < stores; at++) {
      const memory = copyOf(truth.memories[index] as LedgerMemory, history.chunks)
      if (!(await collectMortally(history, memory, index, at))) t.fail(`was not killed at store ${at} of ${stores}`)
      kills++
      const found = await faults(history, truth, memory, index)
      if (found.length > 0) t.same(found, [], `collection ${index}, store ${at}`)
    }
  }
  t.ok(kills > 1000, `${kills} kills`)
})

t.test('random histories, killed at random stores, and the next process too: all that is seen is as if nobody had been', async (t) => {
  let kills = 0
  for (let seed = 1; seed <= 60; seed++) {
    const random = seeded(seed * 31)
    const history = madeUpHistory(seed, { rounds: 12, flows: 40 })
    const truth = await truthOf(history)
    for (let index = 0; index < history.rounds.length; index++) {
      const stores = await storesOf(history, truth, index)
      for (let again = 0; again < 4; again++) {
        let memory = copyOf(truth.memories[index] as LedgerMemory, history.chunks)
        // Killed again and again, in recovery too, it still comes to the same.
        for (let process = random(3); process >= 0; process--) {
          memory = copyOf(memory, history.chunks)
          const at = random(3) === 0 ? random(40) : random(stores)
          const { committed } = storeOn(history, copyOf(memory, history.chunks), { nowMs: 0 }).drains()
          if (committed.number === index && (await collectMortally(history, memory, index, at))) kills++
        }
        const found = await faults(history, truth, memory, index)
        if (found.length > 0) t.same(found, [], `seed ${seed}, collection ${index}`)
      }
    }
  }
  t.ok(kills > 1000, `${kills} kills`)
})

t.test('a process that lives as long as the history sees what one sees that is replaced before every collection', async (t) => {
  for (let seed = 1; seed <= 40; seed++) {
    const history = madeUpHistory(seed * 7, { rounds: 15, flows: 40 })
    const truth = await truthOf(history)
    let memory = truth.memories[0] as LedgerMemory
    for (const [index, { clockMs }] of history.rounds.entries()) {
      memory = copyOf(memory, history.chunks)
      const store = storeOn(history, memory, { nowMs: clockMs })
      if (seen(store, await collect(store, history, index)) !== truth.seen[index]) t.fail(`seed ${seed}, collection ${index} differs`)
    }
  }
  t.pass()
})

t.test('a process killed while it empties a ledger that cannot go on leaves one that is empty or will be', async (t) => {
  const history = madeUpHistory(2, { rounds: 6, flows: 10 })
  const other: History = { ...history, seriesLimit: history.seriesLimit + 1 }
  const left = (await (await truthOf(history)).memories.at(-1)) as LedgerMemory
  const truth = await truthOf(other)
  for (let at = 0; ; at++) {
    const memory = copyOf(left, other.chunks)
    const died = await killed(() => storeOn(other, memory, { nowMs: 0 }, mortalWriter(at)))
    const store = storeOn(other, memory, { nowMs: other.rounds[0]?.clockMs ?? 0 })
    const { flows, containers } = store.snapshot(0)
    if (flows.rows.length + containers.rows.length > 0) t.fail(`something is left after a kill at store ${at}`)
    t.equal(seen(store, await collect(store, other, 0)), truth.seen[0], `store ${at}`)
    if (!died) break
  }
})

t.test('a drain that was given up and begun again leaves no trace', async (t) => {
  let givenUp = 0
  for (let seed = 1; seed <= 40; seed++) {
    const history = madeUpHistory(seed * 13, { rounds: 12, flows: 40 })
    const straight = { ...history, rounds: history.rounds.map((round) => ({ ...round, attempt: 0 })) }
    givenUp += history.rounds.filter(({ attempt }) => attempt > 0).length
    if ((await truthOf(history)).seen.join() !== (await truthOf(straight)).seen.join()) t.fail(`seed ${seed} differs`)
  }
  t.ok(givenUp > 50, `${givenUp} given up`)
})

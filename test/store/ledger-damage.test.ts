import t from 'tap'
import type { LedgerMemory } from '../../src/store/ledger-memory.ts'
import { collect, madeUpHistory, seeded, seen, storeOn, truthOf } from './histories.ts'
import { buffersOf, copyOf, Killed, mortalWriter } from './kept-memory.ts'

type Random = (below: number) => number

/** Ways in which memory goes wrong; each changes `memory`. `older`: what it was a few collections ago. */
const DAMAGES: Readonly<Record<string, (memory: LedgerMemory, random: Random, older: LedgerMemory) => void>> = {
  'a few bytes changed'(memory, random) {
    const bytes = pick(buffersOf(memory), random)
    for (let count = random(4); count >= 0; count--) bytes[random(bytes.length)] = random(256)
  },
  'one bit flipped in the header'(memory, random) {
    const header = buffersOf(memory)[0] as Uint8Array
    const at = random(48)
    header[at] = (header[at] as number) ^ (1 << random(8))
  },
  'one bit flipped in a slot in use'(memory, random) {
    const bytes = pick(buffersOf(memory).slice(1), random)
    const used = [...bytes.keys()].filter((at) => bytes[at] !== 0)
    const at = used[random(used.length)] ?? 0
    bytes[at] = (bytes[at] as number) ^ (1 << random(8))
  },
  'a range zeroed'(memory, random) {
    const bytes = pick(buffersOf(memory), random)
    const start = random(bytes.length)
    bytes.fill(0, start, start + random(2000))
  },
  'a page zeroed'(memory, random) {
    const bytes = pick(buffersOf(memory), random)
    const start = random(bytes.length / 4096) * 4096
    bytes.fill(0, start, start + 4096)
  },
  'a slot over another'(memory, random) {
    const bytes = pick(buffersOf(memory).slice(1), random)
    const from = random(64) * 512
    bytes.copyWithin(random(64) * 512, from, from + 512)
  },
  'eight bytes over eight others'(memory, random) {
    const bytes = pick(buffersOf(memory), random)
    const from = random(bytes.length / 8) * 8
    bytes.copyWithin(random(bytes.length / 8) * 8, from, from + 8)
  },
  'a chunk as it was before'(memory, random, older) {
    const at = 1 + random(older.chunks())
    buffersOf(memory)[at]?.set(buffersOf(older)[at] as Uint8Array)
  },
  'a slot as it was before'(memory, random, older) {
    const at = 1 + random(older.chunks())
    const start = random(64) * 512
    buffersOf(memory)[at]?.set((buffersOf(older)[at] as Uint8Array).subarray(start, start + 512), start)
  },
  'a chunk zeroed'(memory, random) {
    pick(buffersOf(memory).slice(1), random).fill(0)
  },
}

function pick(buffers: readonly Uint8Array[], random: Random): Uint8Array {
  return buffers[random(buffers.length)] as Uint8Array
}

for (const [name, damage] of Object.entries(DAMAGES)) {
  t.test(`${name}: the numbers go on exactly, or all begin at 0`, async (t) => {
    let restored = 0
    let begun = 0
    for (let seed = 1; seed <= 12; seed++) {
      const random = seeded(seed * 101)
      const history = madeUpHistory(seed * 3, { rounds: 10, flows: 25 })
      const truth = await truthOf(history)
      for (let trial = 0; trial < 40; trial++) {
        const index = 2 + random(history.rounds.length - 2)
        const clock = { nowMs: history.rounds[index]?.clockMs ?? 0 }
        const memory = copyOf(truth.memories[index] as LedgerMemory, history.chunks)
        const older = truth.memories[index - 1 - random(index)] as LedgerMemory
        // Half of them in the middle of a collection.
        if (random(2) === 0) {
          try {
            await collect(storeOn(history, memory, clock, mortalWriter(random(900))), history, index)
          } catch (error) {
            if (!(error instanceof Killed)) throw error
          }
        }
        damage(memory, random, older)
        const store = storeOn(history, memory, clock)
        if (!store.opening.restored) {
          begun++
          const { flows, containers } = store.snapshot(0)
          const rest = flows.rows.length + containers.rows.length + store.stats().series + store.drains().committed.number
          if (rest + store.counter('gap seconds').value() > 0) t.fail(`seed ${seed}, trial ${trial}: something is left`)
          if (store.opening.reason === '') t.fail('no reason is given')
          continue
        }
        restored++
        const { committed } = store.drains()
        const snapshot = committed.number === index ? await collect(store, history, index) : store.snapshot(1000 + index)
        if (seen(store, snapshot) !== truth.seen[index]) t.fail(`seed ${seed}, trial ${trial}: a wrong number`)
        for (const later of [index + 1, index + 2].filter((at) => at < history.rounds.length)) {
          clock.nowMs = history.rounds[later]?.clockMs ?? 0
          if (seen(store, await collect(store, history, later)) !== truth.seen[later])
            t.fail(`seed ${seed}, trial ${trial}: wrong later on`)
        }
      }
    }
    t.comment(`${restored} went on, ${begun} began at 0`)
    t.equal(restored + begun, 480)
    t.ok(begun > 0, 'some damage is damage')
  })
}

t.test('chunks that are missing begin everything at 0', async (t) => {
  const history = { ...madeUpHistory(1, { rounds: 10, flows: 40 }), chunks: 4, seriesLimit: 100_000 }
  const memory = (await truthOf(history)).memories.at(-1) as LedgerMemory
  t.ok(memory.chunks() > 1)
  for (let chunks = 0; chunks < memory.chunks(); chunks++) {
    const cut = copyOf({ ...memory, header: memory.header, chunks: () => chunks, chunk: (index) => memory.chunk(index) }, 4)
    const { restored, reason } = storeOn(history, cut, { nowMs: 0 }).opening
    t.notOk(restored)
    t.not(reason, '')
  }
})

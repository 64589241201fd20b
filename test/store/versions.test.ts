import t from 'tap'
import { type Placed, Versions } from '../../src/store/versions.ts'

interface Row extends Placed {
  numbers: readonly number[]
}

const WIDTH = 2

/** Rows, and what each publishing has to go on reading as. */
function table() {
  const versions = new Versions(WIDTH)
  let rows: Row[] = []
  return {
    publish(changed: readonly Row[]) {
      const wanted = rows.flatMap(({ numbers }) => numbers)
      const version = versions.next(rows.length, changed, ({ numbers }, into, at) => into.set(numbers, at))
      return { version, wanted }
    },
    add(numbers: readonly number[]): Row {
      const row = { place: rows.length, numbers }
      rows.push(row)
      return row
    },
    remove(leaves: (row: Row) => boolean): void {
      rows = rows.filter((row) => !leaves(row))
      versions.rearrange(rows)
    },
  }
}

t.test('a version stays as it was, whoever looks first', async (t) => {
  for (const order of [
    [0, 1, 2],
    [2, 1, 0],
    [1, 0, 2],
    [0, 2, 1],
  ]) {
    const { publish, add } = table()
    const [one, other] = [add([1, 2]), add([3, 4])]
    const made = [publish([one, other])]
    one.numbers = [10, 20]
    made.push(publish([one]))
    one.numbers = [100, 200]
    other.numbers = [300, 400]
    made.push(publish([other, one]))
    for (const index of order) t.same([...(made[index]?.version.values() ?? [])], made[index]?.wanted)
  }
})

t.test('looked at again it is the same array', async (t) => {
  const { publish, add } = table()
  const row = add([1, 2])
  const { version } = publish([row])
  const values = version.values()
  row.numbers = [5, 6]
  publish([row])
  t.equal(version.values(), values)
  t.same([...values], [1, 2])
})

t.test('rows that came later are not in it, and rows that left since are', async (t) => {
  const { publish, add, remove } = table()
  const first = publish([add([1, 1]), add([2, 2])])
  const second = publish([add([3, 3])])
  remove(({ numbers }) => numbers[0] === 1)
  const third = publish([])
  t.same([...first.version.values()], [1, 1, 2, 2])
  t.same([...second.version.values()], [1, 1, 2, 2, 3, 3])
  t.same([...third.version.values()], [2, 2, 3, 3])
})

t.test('random changes: every version reads as it was, whenever it is looked at', async (t) => {
  let seed = 7
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
    return Math.floor((seed / 4294967296) * below)
  }
  const { publish, add, remove } = table()
  const kept: ReturnType<typeof publish>[] = []
  const rows: Row[] = []
  const look = (index: number): void => {
    const { version, wanted } = kept[index] as ReturnType<typeof publish>
    t.same([...version.values()], wanted)
  }
  for (let round = 0; round < 300; round++) {
    const changed = new Set<Row>()
    if (random(10) === 0 && rows.length > 0) {
      const leaving = new Set(rows.filter(() => random(4) === 0))
      remove((row) => leaving.has(row))
      for (const row of leaving) rows.splice(rows.indexOf(row), 1)
    }
    for (let more = random(3); more > 0; more--) {
      const row = add([round, more])
      rows.push(row)
      changed.add(row)
    }
    for (const row of rows) {
      if (random(5) > 0) continue
      row.numbers = [random(1000), random(1000)]
      changed.add(row)
    }
    kept.push(publish([...changed]))
    if (random(3) === 0) look(random(kept.length))
  }
  for (const index of kept.keys()) look(index)
})

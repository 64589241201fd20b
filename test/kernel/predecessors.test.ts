import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { type Fd, libbpf } from '../../src/kernel/libbpf.ts'
import { programId } from '../../src/kernel/maps.ts'
import { loadObject, SOCKET_OBJECT } from '../../src/kernel/object.ts'
import { untilGone } from '../../src/kernel/predecessors.ts'

const WITHOUT_SYS_ADMIN = (): undefined => undefined

for (const [who, asks] of [
  ['by number', undefined],
  ['by an iterator, without the right to ask by number', WITHOUT_SYS_ADMIN],
] as const) {
  t.test(`it waits for programs that are there, ${who}`, async (t) => {
    const object = loadObject(SOCKET_OBJECT, { entries: {}, values: {} })
    const numbers = [...object.programs().values()].map((program) => programId(libbpf().bpf.bpf_program__fd(program) as Fd))
    let gone = false
    const waiting = untilGone(numbers, asks).then(() => {
      gone = true
    })
    await sleep(100)
    t.notOk(gone)
    object[Symbol.dispose]()
    await waiting
    t.ok(gone)
    await untilGone(numbers, asks)
    await untilGone([], asks)
  })
}

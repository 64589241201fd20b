import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { watchLoop } from '../../src/publish/loop-lag.ts'

function block(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

t.test('what blocked the loop since the last reading is told, also where it followed at once', async (t) => {
  const loop = watchLoop()
  const read = loop.open()
  t.equal(read(), undefined, 'nothing was measured yet')
  await setTimeout(100)
  t.ok(read())
  t.equal(read(), undefined)
  block(200)
  await setTimeout(100)
  const lag = read()
  t.ok(Number(lag?.max) > 0.15 && Number(lag?.max) < 10, `${lag?.max} s`)
  t.ok(Number(lag?.p99) > 0.15)
})

t.test('waiting for its turn is no delay', async (t) => {
  const read = watchLoop().open()
  await setTimeout(600)
  const { min = 1, p50 = 1, mean = 1, stddev = -1 } = read() ?? {}
  t.ok(min < 0.01, `${min} s`)
  t.ok(p50 < 0.019, `${p50} s`)
  t.ok(mean > 0 && stddev >= 0)
})

t.test('what one reader has read is still there for another', async (t) => {
  const loop = watchLoop()
  const [often, seldom] = [loop.open(), loop.open()]
  block(200)
  await setTimeout(100)
  often()
  await setTimeout(100)
  t.ok(Number(often()?.max) < 0.15)
  t.ok(Number(seldom()?.max) > 0.15)
})

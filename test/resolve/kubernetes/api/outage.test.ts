import t from 'tap'
import { Outage } from '../../../../src/resolve/kubernetes/api/outage.ts'

function outage(): { lines: string[]; it: Outage } {
  const lines: string[] = []
  return { lines, it: new Outage('pods', { info: (line) => lines.push(`info ${line}`), warn: (line) => lines.push(`warn ${line}`) }) }
}

t.test('an outage is told at its beginning, its changes and its end', (t) => {
  const { lines, it } = outage()
  for (let i = 0; i < 3; i++) it.failed('refused', false)
  it.failed('HTTP 500 after 12 ms', false)
  it.failed('HTTP 500 after 34 ms', false)
  it.answered()
  it.answered()
  t.same(lines, ['warn refused', 'warn HTTP 500 after 12 ms', 'info pods of the cluster are followed again'])
  t.end()
})

t.test('a watch that breaks off now and then is no outage', (t) => {
  const { lines, it } = outage()
  for (let i = 0; i < 3; i++) {
    it.failed('cut', true)
    it.answered()
    it.over()
  }
  t.same(lines, [])
  t.end()
})

t.test('one that breaks off each time before a change has come is told once, its end when one comes', (t) => {
  const { lines, it } = outage()
  for (let i = 0; i < 4; i++) {
    it.failed('cut', true)
    it.answered()
  }
  t.same(lines, ['warn cut'])
  it.over()
  t.equal(lines.length, 2)
  t.end()
})

import t from 'tap'
import { forgetLayouts, keepLayout, layoutOf, SHAPED, type Shapes, tagOf } from '../../src/kernel/layout-pins.ts'
import { SOCKET_OBJECT, shapesInObject } from '../../src/kernel/object.ts'
import { PinDirectory } from '../../src/kernel/pins.ts'
import { mountBpffs } from '../harness/bpffs.ts'
import { Undo } from '../harness/undo.ts'

const OURS = '0123456789abcdef'
const THEIRS = 'fedcba9876543210'

t.test('a layout that was kept is read as it was, by its tag, until it is forgotten', async (t) => {
  const undo = new Undo()
  try {
    using pins = PinDirectory.open(mountBpffs(undo).pins)
    const shapes: Shapes = shapesInObject(SOCKET_OBJECT, SHAPED)
    t.equal(layoutOf(pins, tagOf(OURS)), undefined)
    keepLayout(pins, OURS, () => shapes)
    t.same(layoutOf(pins, tagOf(OURS)), shapes)
    keepLayout(pins, OURS, () => t.fail('it is there') as never)
    const other: Shapes = { ...shapes, flows_a: { key: new Map([['port', { offset: 2, size: 2 }]]), value: new Map() } }
    keepLayout(pins, THEIRS, () => other)
    t.same(layoutOf(pins, tagOf(THEIRS)), other)
    forgetLayouts(pins, OURS)
    t.equal(layoutOf(pins, tagOf(THEIRS)), undefined)
    t.same(layoutOf(pins, tagOf(OURS)), shapes)
    pins.clear()
  } finally {
    await undo.all()
  }
})

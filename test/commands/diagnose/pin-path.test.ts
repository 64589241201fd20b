import { mkdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { pinPath } from '../../../src/commands/diagnose/pin-path.ts'
import { loadObject, SOCKET_OBJECT } from '../../../src/kernel/object.ts'
import { PinDirectory } from '../../../src/kernel/pins.ts'
import { Undo } from '../../harness/undo.ts'

const PATH = `/sys/fs/bpf/o8-diagnose-${process.pid}`

t.test('without the setting there is nothing to look at', async (t) => {
  t.match(await pinPath(undefined).run(), [{ check: 'pin_path', status: 'ok', found: /^not set/ }])
})

t.test('a path on no bpffs fails, one that will be made is fine', async (t) => {
  const dir = t.testdir()
  for (const path of [dir, join(dir, 'a')])
    t.match(await pinPath(path).run(), [{ status: 'fail', found: `${path} is on no bpffs`, remedy: /mount -t bpf/ }])
  t.match(await pinPath(PATH).run(), [{ status: 'ok', found: `${PATH} is on a bpffs and will be made` }])
})

t.test('what is pinned is told by name, and who uses it', async (t) => {
  const undo = new Undo()
  mkdirSync(PATH)
  undo.add({ gently: () => rmdirSync(PATH), atOnce: () => rmdirSync(PATH) })
  try {
    t.match(await pinPath(PATH).run(), [{ status: 'ok', found: `${PATH}: nothing pinned, used by no exporter` }])
    const pins = PinDirectory.open(PATH)
    const close = (): void => {
      pins.clear()
      pins[Symbol.dispose]()
    }
    undo.add({ gently: close, atOnce: close })
    using object = loadObject(SOCKET_OBJECT, { entries: {}, values: {} })
    pins.put('map_flows_a', object.fd('flows_a'))
    t.match(await pinPath(PATH).run(), [{ status: 'ok', found: `${PATH}: 1 pinned (map_flows_a), in use by process ${process.pid}` }])
    for (let i = 0; i < 6; i++) pins.put(`ledger_${i}`, object.fd('flows_b'))
    t.match(await pinPath(PATH).run(), [
      { found: /: 7 pinned \(ledger_0, ledger_1, ledger_2, ledger_3, ledger_4, ledger_5, \.\.\.\), in use/ },
    ])
  } finally {
    await undo.all()
  }
})

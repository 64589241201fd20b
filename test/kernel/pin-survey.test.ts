import { mkdirSync, readdirSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { loadObject, SOCKET_OBJECT } from '../../src/kernel/object.ts'
import { surveyPins } from '../../src/kernel/pin-survey.ts'
import { PinDirectory } from '../../src/kernel/pins.ts'
import { Child, until } from '../harness/child.ts'
import { Undo } from '../harness/undo.ts'

const BPFFS = '/sys/fs/bpf'
const PATH = join(BPFFS, `o8-survey-${process.pid}`)

function pins(undo: Undo): PinDirectory {
  const directory = PinDirectory.open(PATH)
  const remove = (): void => {
    directory.clear()
    directory.removeDirectory()
    directory[Symbol.dispose]()
  }
  undo.add({ gently: remove, atOnce: remove })
  return directory
}

t.test('what is pinned and who holds the directory is told, and nothing changes', async (t) => {
  const undo = new Undo()
  try {
    const directory = pins(undo)
    using object = loadObject(SOCKET_OBJECT, { entries: {}, values: {} })
    directory.put('map_flows_b', object.fd('flows_b'))
    directory.put('map_flows_a', object.fd('flows_a'))
    t.strictSame(await surveyPins(PATH), { exists: true, onBpffs: true, names: ['map_flows_a', 'map_flows_b'], holder: process.pid })
    t.strictSame(readdirSync(PATH).sort(), ['map_flows_a', 'map_flows_b'])
  } finally {
    await undo.all()
  }
})

t.test('who looks never keeps an exporter out', async (t) => {
  const undo = new Undo()
  mkdirSync(PATH)
  undo.add({ gently: () => rmdirSync(PATH), atOnce: () => rmdirSync(PATH) })
  try {
    t.strictSame(await surveyPins(PATH), { exists: true, onBpffs: true, names: [], holder: undefined })
    let over = false
    const looking = (async () => {
      for (; !over; ) await surveyPins(PATH)
    })()
    for (let i = 0; i < 50; i++) {
      PinDirectory.open(PATH)[Symbol.dispose]()
      await new Promise(setImmediate)
    }
    over = true
    await looking
    t.pass('50 starts were let in')

    const other = new Child(undo, 'flock', ['--nonblock', '--no-fork', PATH, 'sleep', '30'])
    await until('the other process to have the lock', async () => (await surveyPins(PATH)).holder !== undefined)
    t.equal((await surveyPins(PATH)).holder, other.pid)
  } finally {
    await undo.all()
  }
})

t.test('a path that does not exist says whether it would be on a bpffs', async (t) => {
  const nothing = { exists: false, names: [], holder: undefined }
  t.strictSame(await surveyPins(join(PATH, 'a', 'b')), { ...nothing, onBpffs: true })
  t.strictSame(await surveyPins(join(t.testdir(), 'a', 'b')), { ...nothing, onBpffs: false })
  t.strictSame(await surveyPins(t.testdir({ file: '' })), { ...nothing, exists: true, onBpffs: false })
})

t.test('a lock of the same inode on another device is none', async (t) => {
  const undo = new Undo()
  mkdirSync(PATH)
  undo.add({ gently: () => rmdirSync(PATH), atOnce: () => rmdirSync(PATH) })
  try {
    const { dev, ino } = statSync(PATH)
    const device = (minor: number): string => `00:${minor.toString(16).padStart(2, '0')}:${ino}`
    const locks = join(t.testdir(), 'locks')
    const lines = (minor: number): string =>
      `1: POSIX  ADVISORY  WRITE 1 ${device(minor)} 0 EOF\n2: FLOCK  ADVISORY  WRITE 42 ${device(minor)} 0 EOF\n`
    writeFileSync(locks, lines(dev + 1))
    t.equal((await surveyPins(PATH, locks)).holder, undefined)
    writeFileSync(locks, lines(dev))
    t.equal((await surveyPins(PATH, locks)).holder, 42)
  } finally {
    await undo.all()
  }
})

import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { Orb8Error } from '../../src/errors.ts'
import { type CgroupIndex, type CgroupIndexOptions, openCgroupIndex } from '../../src/resolve/cgroup-index.ts'
import { findCgroupRoot } from '../../src/resolve/cgroup-root.ts'

const MOUNT = (await findCgroupRoot('auto')).path
const TOP = join(MOUNT, `orb8-index-${process.pid}`)
const MODULE = fileURLToPath(new URL('../../src/resolve/cgroup-index.ts', import.meta.url))
const CONTAINER = 'c0ffee'.padEnd(64, '0')
const NEVER_MS = 3_600_000
const run = promisify(execFile)

function removeTree(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) if (entry.isDirectory()) removeTree(join(path, entry.name))
  rmdirSync(path)
}

mkdirSync(TOP)
t.teardown(() => removeTree(TOP))

let made = 0
/** A subtree of one's own, gone at the test's end, and an index of it that no timer helps along. */
async function world(t: Test, options: CgroupIndexOptions = {}) {
  const root = join(TOP, `t${made++}`)
  mkdirSync(root)
  t.teardown(() => removeTree(root))
  const open = async (): Promise<CgroupIndex> => {
    const index = await openCgroupIndex(root, { reconcileMs: NEVER_MS, rescanMs: NEVER_MS, ...options })
    t.teardown(() => index.close())
    return index
  }
  const make = (path: string): bigint => {
    mkdirSync(join(root, path), { recursive: true })
    return statSync(join(root, path), { bigint: true }).ino
  }
  return { root, open, make, remove: (path: string) => removeTree(join(root, path)) }
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    if (condition()) return
    await setTimeout(5)
  }
  throw new Error(`not within 5 s: ${what}`)
}

/** As the kernel counts them. */
function watchesOfThisProcess(): number {
  let watches = 0
  for (const fd of readdirSync('/proc/self/fdinfo')) {
    const info = existsSync(`/proc/self/fdinfo/${fd}`) ? readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8') : ''
    watches += info.split('\n').filter((line) => line.startsWith('inotify wd:')).length
  }
  return watches
}

t.test('names what is there at the start, at any depth, and the root', async (t) => {
  const { root, open, make } = await world(t)
  const service = make('system.slice/web.service')
  const container = make(`system.slice/docker-${CONTAINER}.scope/deep/deeper`)
  const index = await open()
  t.strictSame(index.lookup(service), { kind: 'systemd', name: 'web.service' })
  t.strictSame(index.lookup(container), { kind: 'container', name: 'c0ffee000000', containerId: CONTAINER })
  t.equal(index.lookup(statSync(root, { bigint: true }).ino)?.name, '/')
  t.equal(index.lookup(0n), undefined)
  t.equal(index.counts().directories, 6)
  t.equal(index.counts().watches, 6)
})

t.test('the true root is cgroup id 1', async (t) => {
  const index = await openCgroupIndex(MOUNT)
  t.teardown(() => index.close())
  t.strictSame(index.lookup(1n), { kind: 'cgroup', name: '/' })
  t.strictSame(index.lookup(statSync(TOP, { bigint: true }).ino), { kind: 'cgroup', name: `/orb8-index-${process.pid}` })
})

t.test('a cgroup made later is named without being asked for', async (t) => {
  const { open, make } = await world(t)
  const index = await open()
  const id = make('later')
  await until('later is named', () => index.lookup(id) !== undefined)
  const nested = make('later/nested')
  await until('nested is named', () => index.lookup(nested)?.name === '/later/nested')
  t.equal(index.lookup(id), index.lookup(id), 'by the same object each time')
  t.equal(index.counts().scans, 1)
})

t.test('a tree made in one go has its children named, though no watch was there when they came', async (t) => {
  const { open, make } = await world(t)
  const index = await open()
  const ids = ['a', 'a/b', 'a/b/c', 'a/b/c/d', 'a/b/e', 'f/g/h/i'].map(make)
  await until('all are named', () => ids.every((id) => index.lookup(id) !== undefined))
  t.equal(index.lookup(ids[3] ?? 0n)?.name, '/a/b/c/d')
  t.equal(index.counts().directories, 10)
  t.equal(index.counts().scans, 1)
})

t.test('a burst of 200, half of them gone at once', async (t) => {
  const { open, make, remove } = await world(t)
  const index = await open()
  const ids = Array.from({ length: 200 }, (_, n) => {
    const id = make(`burst/${n}/inner`)
    if (n % 2 === 1) remove(`burst/${n}`)
    return id
  })
  const standing = ids.filter((_, n) => n % 2 === 0)
  await until('all that stand are named', () => standing.every((id, n) => index.lookup(id)?.name === `/burst/${2 * n}/inner`))
  t.equal(index.counts().scans, 1)
  t.equal(index.counts().directories, 202)
  t.equal(index.counts().watches, 202)
  remove('burst')
  await until('all are gone', () => index.counts().directories === 1)
  t.equal(index.counts().watches, 1)
  t.ok(standing.every((id) => index.lookup(id) !== undefined))
})

t.test('a cgroup that is gone stays named for ten minutes after it was asked for, by the same object for one', async (t) => {
  let nowMs = 1_000_000
  const { open, make, remove } = await world(t, { nowMs: () => nowMs })
  const id = make('job.service')
  const index = await open()
  const named = index.lookup(id)
  remove('job.service')
  await until('it is seen to go', () => index.counts().gone === 1)
  t.equal(index.lookup(id), named)
  nowMs += 59_999
  await index.ensure([id])
  t.equal(index.lookup(id), named)
  nowMs += 540_001
  await index.ensure([id])
  t.same(index.lookup(id), named)
  nowMs += 600_000
  await index.ensure([])
  t.match(index.counts(), { gone: 1 })
  nowMs += 60_001
  await index.ensure([])
  t.equal(index.lookup(id), undefined)
  t.match(index.counts(), { gone: 0, forgotten: 0 })
})

t.test('one made again under the same name is another; the first keeps its own', async (t) => {
  const { open, make, remove } = await world(t)
  const first = make('again/inside')
  const index = await open()
  remove('again')
  const second = make('again/inside')
  await until('the second is named', () => index.lookup(second) !== undefined)
  t.not(first, second)
  t.equal(index.lookup(first)?.name, '/again/inside')
  const third = make('again/inside/third')
  await until('the second is watched', () => index.lookup(third) !== undefined)
  t.match(index.counts(), { directories: 4, watches: 4, gone: 2 })
})

t.test('of too many gone ones the oldest are forgotten and counted', async (t) => {
  const { open, make, remove } = await world(t, { maxGone: 3 })
  const ids = ['1', '2', '3', '4', '5'].map(make)
  const index = await open()
  for (const [n, name] of ['1', '2', '3', '4', '5'].entries()) {
    remove(name)
    await until(`${name} is seen to go`, () => index.counts().gone + index.counts().forgotten === n + 1)
  }
  t.strictSame(
    ids.map((id) => index.lookup(id)?.name),
    [undefined, undefined, '/3', '/4', '/5'],
  )
  t.equal(index.counts().forgotten, 2)
})

t.test('ensure finds what no watch told of', async (t) => {
  const { open, make, remove } = await world(t, { maxWatches: 0 })
  const old = make('old')
  const index = await open()
  const id = make('x/y')
  remove('old')
  await setTimeout(50)
  t.equal(index.lookup(id), undefined, 'nobody told')
  await index.ensure([0n, id])
  t.equal(index.lookup(id)?.name, '/x/y')
  t.match(index.counts(), { scans: 2, gone: 1, watches: 0 })
  t.equal(index.lookup(old)?.name, '/old')
  const other = make('other')
  await index.ensure([other])
  t.equal(index.lookup(other)?.name, '/other')
})

t.test('an id that no directory has costs one scan, not one each time', async (t) => {
  const { open } = await world(t)
  const index = await open()
  for (let n = 0; n < 5; n++) await index.ensure([2n ** 60n, 2n ** 61n])
  t.match(index.counts(), { scans: 2, dead: 2 })
})

t.test('a hundred that ask at once share the scans', async (t) => {
  const { open } = await world(t)
  const index = await open()
  await Promise.all(Array.from({ length: 100 }, (_, n) => index.ensure([2n ** 60n + BigInt(n)])))
  t.ok(index.counts().scans <= 3, `${index.counts().scans} scans`)
  t.equal(index.counts().dead, 100)
})

t.test('without enough watches it rescans by itself, and says once why', async (t) => {
  const warnings: string[] = []
  const { open, make } = await world(t, { maxWatches: 2, rescanMs: 10, warn: (message) => warnings.push(message) })
  make('a/b/c')
  const index = await open()
  const id = make('a/b/c/d')
  await until('d is named', () => index.lookup(id) !== undefined)
  t.equal(index.counts().watches, 2)
  t.equal(warnings.length, 1)
  t.match(warnings[0], /^cannot watch all cgroups, rescanning them instead: 2 directories/)
})

t.test('where watches are to be had again they are taken', async (t) => {
  const { open, make, remove } = await world(t, { maxWatches: 3 })
  const ids = ['a', 'b', 'c', 'd'].map(make)
  const index = await open()
  t.equal(index.counts().watches, 3)
  for (const name of ['a', 'b', 'c']) remove(name)
  await until('they are seen to go', () => index.counts().directories < 5)
  await index.rescan()
  t.match(index.counts(), { directories: 2, watches: 2 })
  t.equal(index.lookup(ids[3] ?? 0n)?.name, '/d')
  const inside = make('d/inside')
  await until('inside is named', () => index.lookup(inside) !== undefined)
})

t.test('a limit of inotify is named with its remedy', async (t) => {
  const { root, make } = await world(t)
  for (let n = 0; n < 20; n++) make(`${n}/x`)
  const script = `
    const { openCgroupIndex } = await import(${JSON.stringify(MODULE)})
    const index = await openCgroupIndex(${JSON.stringify(root)}, { warn: (message) => console.log(message) })
    console.log(JSON.stringify(index.counts()))
    index.close()`
  // The limits of a user namespace of its own, so that nobody else on the machine is touched.
  for (const [limit, value, remedy] of [
    ['max_inotify_watches', 10, 'raise fs.inotify.max_user_watches'],
    ['max_inotify_instances', 0, 'raise fs.inotify.max_user_instances'],
  ] as const) {
    const inside = `echo ${value} > /proc/sys/user/${limit} && exec "$0" --input-type=module -e "$1"`
    const { stdout } = await run('unshare', ['--user', '--map-root-user', 'bash', '-c', inside, process.execPath, script], {
      timeout: 30_000,
    })
    const [warning, counts, rest] = stdout.split('\n')
    t.match(warning, remedy)
    t.match(JSON.parse(counts ?? ''), { directories: 41, watches: value })
    t.equal(rest, '')
  }
})

t.test('keeps no process alive, open or closed', async (t) => {
  const { root } = await world(t)
  for (const end of ['', 'index.close()']) {
    const script = `const { openCgroupIndex } = await import(${JSON.stringify(MODULE)})
      const index = await openCgroupIndex(${JSON.stringify(root)})
      ${end}`
    await t.resolves(run(process.execPath, ['--input-type=module', '-e', script], { timeout: 30_000 }))
  }
})

t.test('after close nothing is watched, and what was known stays', async (t) => {
  const { open, make } = await world(t)
  const before = watchesOfThisProcess()
  const id = make('kept')
  const index = await open()
  t.equal(watchesOfThisProcess(), before + 2)
  index.close()
  index.close()
  t.equal(index.counts().watches, 0)
  t.equal(watchesOfThisProcess(), before)
  const late = make('late')
  await index.ensure([late])
  await setTimeout(50)
  t.equal(index.lookup(late), undefined)
  t.equal(index.lookup(id)?.name, '/kept')
})

t.test('closed in the middle of a scan it ends all the same', async (t) => {
  const { open, make } = await world(t)
  for (let n = 0; n < 300; n++) make(`${n}`)
  const index = await open()
  const scan = index.rescan()
  await Promise.resolve()
  index.close()
  await scan
  t.equal(index.counts().watches, 0)
})

t.test('a root that is not there is an error', async (t) => {
  await t.rejects(openCgroupIndex(join(TOP, 'nowhere')), Orb8Error)
})

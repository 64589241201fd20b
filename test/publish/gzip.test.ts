import { execFileSync } from 'node:child_process'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import { gzip } from '../../src/publish/gzip.ts'

const pages = (count: number): Buffer[] => Array.from({ length: count }, (_, index) => Buffer.from(`page ${index} `.repeat(9000)))

async function zipped(source: Iterable<Buffer>, done: (page: Buffer) => void = () => undefined): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of gzip(source, done)) pieces.push(piece)
  return Buffer.concat(pieces)
}

t.test('pages come out as one member that every reader reads whole', async (t) => {
  const source = pages(20)
  const bytes = await zipped(source)
  t.ok(gunzipSync(bytes).equals(Buffer.concat(source)))
  t.ok(execFileSync('gzip', ['-dc'], { input: bytes, maxBuffer: 1e8 }).equals(Buffer.concat(source)))
  // A reader that stops after the first member: the sizes at its end are those of everything.
  t.equal(bytes.readUInt32LE(bytes.length - 4), Buffer.concat(source).length)
})

t.test('nothing is a valid stream too', async (t) => {
  t.equal(gunzipSync(await zipped([])).length, 0)
})

t.test('each page is given back once, and only two are in hand', async (t) => {
  let inHand = 0
  let most = 0
  const source = function* (): Generator<Buffer> {
    for (const page of pages(30)) {
      most = Math.max(most, ++inHand)
      yield page
    }
  }
  const given = new Set<Buffer>()
  await zipped(source(), (page) => {
    inHand--
    given.add(page)
  })
  t.equal(inHand, 0)
  t.equal(given.size, 30)
  t.ok(most <= 2, `${most} in hand`)
})

t.test('a page written again as soon as it is given back does no harm', async (t) => {
  const free: Buffer[] = []
  const expected: Buffer[] = []
  const source = function* (): Generator<Buffer> {
    for (let index = 0; index < 50; index++) {
      const page = free.pop() ?? Buffer.alloc(50_000)
      page.fill(`${index} `)
      expected.push(Buffer.from(page))
      yield page
    }
  }
  const bytes = await zipped(source(), (page) => free.push(page))
  t.ok(gunzipSync(bytes).equals(Buffer.concat(expected)))
})

t.test('an error of the source ends the stream with it', async (t) => {
  const source = function* (): Generator<Buffer> {
    yield Buffer.alloc(1e6)
    throw new Error('no more')
  }
  await t.rejects(zipped(source()), { message: 'no more' })
})

t.test('a reader that goes away stops the source', async (t) => {
  let made = 0
  const source = function* (): Generator<Buffer> {
    for (; made < 1e6; made++) yield Buffer.from(Array.from({ length: 65536 }, () => Math.random() * 256))
  }
  for await (const _ of gzip(source(), () => undefined)) break
  const after = made
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(made, after)
  t.ok(made < 20)
})

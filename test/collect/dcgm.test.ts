import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { DcgmCollector, type DcgmCollectorOptions, DcgmError } from '../../src/collect/dcgm.ts'
import { Authority } from '../harness/authority.ts'
import { until } from '../harness/child.ts'
import { DcgmExporter, dcgmText, type Respond } from '../harness/dcgm-exporter.ts'
import { Undo } from '../harness/undo.ts'

interface Bench {
  readonly undo: Undo
  readonly exporter: DcgmExporter
  readonly collector: DcgmCollector
}

/** Answers are never fresh enough to be used twice. */
function scraping(body: (t: Test, bench: Bench) => Promise<void>, options: Partial<DcgmCollectorOptions> = {}): (t: Test) => Promise<void> {
  return async (t) => {
    const undo = new Undo()
    try {
      const exporter = await DcgmExporter.start(undo, dcgmText('today'))
      const collector = collectorOf(undo, { url: exporter.url, ...options })
      await body(t, { undo, exporter, collector })
    } finally {
      await undo.all()
    }
  }
}

function collectorOf(undo: Undo, options: Partial<DcgmCollectorOptions> & { readonly url: string }): DcgmCollector {
  const collector = new DcgmCollector({ staleMs: 45_000, freshMs: 0, ...options })
  undo.add({ gently: () => collector.close(), atOnce: () => undefined })
  return collector
}

const failure = async (collecting: Promise<unknown>): Promise<string> =>
  collecting.then(
    () => 'none',
    (error) => (error instanceof DcgmError ? error.failure : String(error)),
  )

const respondings: Readonly<Record<string, readonly [wanted: string, respond: Respond]>> = {
  'a status that is not 200': ['status', (_, response) => response.writeHead(503).end('# HELP DCGM_FI_DEV_GPU_TEMP\n')],
  'a redirection, which is not followed': ['status', (_, response) => response.writeHead(302, { location: '/metrics' }).end()],
  "something that is not dcgm-exporter's": ['content', (_, response) => response.end('<html>\nnode_load1 1\n')],
  'an empty answer': ['content', (_, response) => response.end()],
  'gzip that is broken': ['content', (_, response) => response.setHeader('content-encoding', 'gzip').end('not gzip')],
  'gzip that is cut off': [
    'content',
    (_, response) => response.setHeader('content-encoding', 'gzip').end(gzipSync(dcgmText('today')).subarray(0, 900)),
  ],
  'an answer that breaks off': [
    'content',
    (_, response) => {
      response.writeHead(200, { 'content-length': 100_000 })
      response.write(dcgmText('today'), () => response.destroy())
    },
  ],
  'a text that never ends': [
    'size',
    (_, response) => {
      const more = (): void => {
        if (response.write('# HELP DCGM_FI_DEV_GPU_TEMP '.padEnd(65_535, 'x').concat('\n'))) setImmediate(more)
        else response.once('drain', more)
      }
      more()
    },
  ],
  'little gzip that becomes far too much': [
    'size',
    (_, response) => response.setHeader('content-encoding', 'gzip').end(gzipSync(Buffer.alloc(64 * 2 ** 20, '\n'))),
  ],
}

t.test(
  'a scrape tells each device once, and asks for gzip',
  scraping(async (t, { exporter, collector }) => {
    const samples = await collector.collect()
    t.strictSame(
      samples.map(({ device }) => device.index),
      ['0', '1'],
    )
    t.match(exporter.requests[0]?.headers, { 'accept-encoding': 'gzip', accept: /text\/plain/ })
    exporter.respond = (_, response) => response.end(exporter.text)
    t.same(await collector.collect(), samples, 'the same without gzip')
  }),
)

for (const [what, [wanted, respond]] of Object.entries(respondings)) {
  t.test(
    `${what} is a failure, and what was read before is gone`,
    scraping(
      async (t, { exporter, collector }) => {
        t.equal((await collector.collect()).length, 2)
        exporter.respond = respond
        t.equal(await failure(collector.collect()), wanted)
        exporter.respond = undefined
        t.equal((await collector.collect()).length, 2, 'it comes back')
      },
      { waitMs: 20_000 },
    ),
  )
}

t.test(
  'while dcgm-exporter is away nothing is told; when it is back, at the same address, all is',
  scraping(async (t, { exporter, collector }) => {
    t.equal((await collector.collect()).length, 2)
    const { port } = exporter
    await exporter.stop()
    t.equal(await failure(collector.collect()), 'connect')
    await exporter.listen(port)
    t.equal((await collector.collect()).length, 2)
  }),
)

t.test(
  'a slow answer is waited for once: the one before stands until it is too old',
  scraping(
    async (t, { exporter, collector }) => {
      t.equal((await collector.collect()).length, 2)
      let waiting = 0
      exporter.respond = () => void waiting++
      t.equal((await collector.collect()).length, 2, 'the last one')
      const soon = await Promise.race([collector.collect(), new Promise((resolve) => setTimeout(() => resolve('late'), 1000))])
      t.equal((soon as readonly unknown[]).length, 2, 'without waiting')
      t.equal(waiting, 1, 'one scrape at a time')
      await until('it is too old', async () => (await failure(collector.collect())) === 'timeout')
    },
    { waitMs: 1500, staleMs: 4000, limitMs: 100_000 },
  ),
)

t.test(
  'an answer that takes longer than the limit is a failure',
  scraping(
    async (t, { exporter, collector }) => {
      t.equal((await collector.collect()).length, 2)
      exporter.respond = (_, response) => response.write('# HELP DCGM_FI_DEV_GPU_TEMP x\n')
      t.equal(await failure(collector.collect()), 'timeout')
      exporter.respond = undefined
      t.equal((await collector.collect()).length, 2)
    },
    { waitMs: 5000, limitMs: 300 },
  ),
)

t.test(
  'several who ask at once, or within a second, ask once',
  scraping(
    async (t, { exporter, collector }) => {
      await Promise.all([collector.collect(), collector.collect()])
      await collector.collect()
      t.equal(exporter.requests.length, 1)
    },
    { freshMs: 1000 },
  ),
)

t.test(
  'an address without a path means /metrics; a user and password in it are sent, and never told',
  scraping(async (t, { undo, exporter }) => {
    const url = exporter.url.replace('http://', 'http://me:s%3Acret@').replace('/metrics', '')
    const collector = collectorOf(undo, { url })
    t.equal((await collector.collect()).length, 2)
    t.equal(exporter.requests.at(-1)?.headers.authorization, `Basic ${Buffer.from('me:s:cret').toString('base64')}`)
    exporter.respond = (_, response) => response.writeHead(401).end()
    const error = await collector.collect().catch((caught: Error) => caught)
    t.match(String(error), `cannot scrape dcgm-exporter at ${exporter.url}: it answers 401`)
  }),
)

t.test('over TLS the authority must be the one that is trusted', async (t) => {
  const undo = new Undo()
  try {
    const folder = t.testdir({})
    const authority = new Authority(folder)
    const exporter = await DcgmExporter.start(undo, dcgmText('today'), authority.server('server', ['IP:127.0.0.1']))
    t.equal((await collectorOf(undo, { url: exporter.url, ca: authority.cert }).collect()).length, 2)
    const stranger = new Authority(folder, 'stranger')
    t.equal(await failure(collectorOf(undo, { url: exporter.url, ca: stranger.cert }).collect()), 'tls')
    t.equal(await failure(collectorOf(undo, { url: exporter.url }).collect()), 'tls', 'nor one that nobody knows')
    const elsewhere = exporter.url.replace('127.0.0.1', 'localhost')
    t.equal(await failure(collectorOf(undo, { url: elsewhere, ca: authority.cert }).collect()), 'tls', 'nor another name')
  } finally {
    await undo.all()
  }
})

t.test(
  'closing cuts what is under way',
  scraping(
    async (t, { exporter, collector }) => {
      exporter.respond = () => undefined
      const collecting = failure(collector.collect())
      await until('it asks', () => exporter.requests.length === 1)
      await collector.close()
      t.equal(await collecting, 'connect')
    },
    { waitMs: 20_000, limitMs: 20_000 },
  ),
)

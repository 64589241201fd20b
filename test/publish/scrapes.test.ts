import { execFileSync } from 'node:child_process'
import { Agent } from 'node:http'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import type { Snapshot } from '../../src/model.ts'
import { createRounds } from '../../src/publish/rounds.ts'
import { createSelf } from '../../src/publish/self.ts'
import { readOpenMetrics, readPrometheus } from './exposition.ts'
import { ask, dial, manualTimers, readToEnd, SMALL, serve, until } from './serving.ts'
import { EXAMPLE, manyFlows, snapshotOf } from './snapshots.ts'

const PROMETHEUS_3 =
  'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,' +
  'text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2'

t.test('both formats, plain and compressed, carry the same numbers', async (t) => {
  const server = await serve(t)
  const plain = await ask(server, '/metrics')
  const text = readPrometheus(plain.body.toString())
  t.equal(text.get('orb8_flow_bytes_total')?.samples.length, 6)
  const open = await ask(server, '/metrics', { headers: { Accept: PROMETHEUS_3 } })
  t.equal(open.headers['content-type'], 'application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8')
  t.same(readOpenMetrics(open.body.toString()).get('orb8_flow_bytes')?.samples, text.get('orb8_flow_bytes_total')?.samples)
  for (const [encoding, zipped] of [
    ['gzip', true],
    ['gzip;q=0', false],
    ['br', false],
    ['*', true],
  ] as const) {
    const answer = await ask(server, '/metrics', { headers: { 'Accept-Encoding': encoding } })
    t.equal(answer.headers['content-encoding'], zipped ? 'gzip' : undefined)
    t.equal(answer.headers.vary, 'Accept, Accept-Encoding')
    t.ok((zipped ? gunzipSync(answer.body) : answer.body).equals(plain.body))
  }
  const head = await ask(server, '/metrics', { method: 'HEAD', headers: { Accept: PROMETHEUS_3, 'Accept-Encoding': 'gzip' } })
  t.equal(head.headers['content-encoding'], 'gzip')
  t.equal(head.headers['content-type'], open.headers['content-type'])
})

t.test('a client of HTTP/1.0 reads to the end of the connection', async (t) => {
  const socket = dial(t, await serve(t))
  socket.write('GET /metrics HTTP/1.0\r\n\r\n')
  const [head = '', body = ''] = (await readToEnd(socket)).split('\r\n\r\n')
  t.notMatch(head, /chunked/i)
  t.equal(readPrometheus(body).size, 8)
})

t.test('promtool and other readers of gzip have no complaint about all of it', async (t) => {
  const self = createSelf({ version: '1.2.3', libbpfVersion: '1.1' })
  self.collected('flows', 0.1)
  const workload = 'a "quote", a \\ backslash,\na new line, é 漢字 🦀 {}'
  const server = await serve(t, { self, scrape: async () => snapshotOf([{ labels: { ...EXAMPLE, workload }, values: [1] }]) })
  const { body } = await ask(server, '/metrics', { headers: { 'Accept-Encoding': 'gzip' } })
  const input = execFileSync('gzip', ['-dc'], { input: body })
  t.equal(execFileSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] }), '')
  const open = await ask(server, '/metrics', { headers: { Accept: PROMETHEUS_3 } })
  t.equal(readOpenMetrics(open.body.toString()).get('orb8_active_flows')?.samples[0]?.labels.workload, workload)
})

t.test('500 scrapes at once share two collections and two renderings', async (t) => {
  const gate = Promise.withResolvers<void>()
  let collections = 0
  let asked = 0
  let rendered = 0
  const rounds = createRounds(async () => {
    const number = ++collections
    if (number === 1) await gate.promise
    return manyFlows(2000 + number)
  })
  const server = await serve(t, {
    scrape() {
      if (++asked === 500) gate.resolve()
      return rounds.join()
    },
    self: {
      async families() {
        rendered++
        return []
      },
    },
  })
  const agent = new Agent({ maxSockets: Number.POSITIVE_INFINITY })
  t.teardown(() => agent.destroy())
  const headers = { 'Accept-Encoding': 'gzip' }
  const answers = await Promise.all(Array.from({ length: 500 }, () => ask(server, '/metrics', { agent, headers })))
  t.equal(collections, 2)
  t.equal(rendered, 2)
  const bodies = new Set(answers.map(({ body }) => body.toString('latin1')))
  t.equal(bodies.size, 2)
  const rows = [...bodies].map(
    (body) => readPrometheus(gunzipSync(Buffer.from(body, 'latin1')).toString()).get('orb8_active_flows')?.samples.length,
  )
  t.same(rows.sort(), [2001, 2002])
})

t.test('who scrapes one after the other gets a collection each', async (t) => {
  let collections = 0
  const rounds = createRounds(async () => snapshotOf([{ labels: EXAMPLE, values: [++collections] }]))
  const server = await serve(t, { scrape: rounds.join })
  for (const expected of ['1', '2', '3']) {
    const { body } = await ask(server, '/metrics')
    t.equal(readPrometheus(body.toString()).get('orb8_active_flows')?.samples[0]?.value, expected)
  }
})

t.test('a collection that hangs ends in 503 when the scraper’s time is up, and health still answers', async (t) => {
  const { after, pending, fire } = manualTimers()
  const hung = new Promise<Snapshot>(() => undefined)
  const server = await serve(t, { after, scrape: () => hung })
  const cases: readonly [string | undefined, number][] = [
    [undefined, 10_000],
    ['10', 9500],
    ['2', 1800],
    ['0.5', 450],
    ['60', 59_500],
    ['1e9', 119_500],
    ['-1', 10_000],
    ['soon', 10_000],
    ['NaN', 10_000],
  ]
  for (const [seconds, expectedMs] of cases) {
    const headers = seconds === undefined ? {} : { 'X-Prometheus-Scrape-Timeout-Seconds': seconds }
    const answer = ask(server, '/metrics', { headers })
    await until(() => pending().length === 1)
    t.same(pending(), [expectedMs], seconds ?? 'no header')
    t.equal((await ask(server, '/healthz')).status, 200)
    fire(expectedMs)
    t.match(await answer, { status: 503, body: Buffer.from(`the collection did not end within ${expectedMs / 1000} s\n`) })
  }
  t.same(pending(), [])
})

t.test('a collection that fails is 503 with one plain line', async (t) => {
  const server = await serve(t, { scrape: () => Promise.reject(new Error('EPERM at /sys/fs/bpf')) })
  const { status, headers, body } = await ask(server, '/metrics')
  t.equal(status, 503)
  t.equal(headers['content-type'], 'text/plain; charset=utf-8')
  t.equal(body.toString(), 'the collection failed: see the log\n')
})

t.test('metrics that cannot be written are 500 and reported, and the next scrape is tried again', async (t) => {
  const reported: unknown[] = []
  let broken = true
  const server = await serve(t, {
    report: (error) => reported.push(error),
    self: {
      async families() {
        if (broken) throw new Error('broken')
        return []
      },
    },
  })
  t.equal((await ask(server, '/metrics')).status, 500)
  t.match(reported, [{ message: 'broken' }])
  broken = false
  t.equal((await ask(server, '/metrics')).status, 200)
})

t.test('a scraper that leaves while it waits leaves nothing behind', async (t) => {
  const { after, pending } = manualTimers()
  let asked = 0
  const hung = new Promise<Snapshot>(() => undefined)
  const server = await serve(t, {
    after,
    scrape() {
      asked++
      return hung
    },
  })
  const sockets = Array.from({ length: 50 }, () => dial(t, server))
  for (const socket of sockets) socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n')
  await until(() => asked === 50 && pending().length === 50)
  for (const socket of sockets) socket.destroy()
  await until(() => pending().length === 0)
  t.equal(asked, 50)
})

t.test('downloads cut short free what they held, and the others go on', async (t) => {
  const { after, pending } = manualTimers()
  const big = manyFlows(8000)
  const server = await serve(t, { after, scrape: async () => big })
  const cut = Array.from({ length: 20 }, () => dial(t, server))
  for (const socket of cut) {
    socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n')
    socket.once('data', () => socket.destroy())
  }
  const [whole] = await Promise.all([
    ask(server, '/metrics'),
    ...cut.map((socket) => new Promise((resolve) => socket.once('close', resolve))),
  ])
  t.equal(readPrometheus(whole?.body.toString() ?? '').get('orb8_active_flows')?.samples.length, 8000)
  await until(() => pending().length === 0)
  t.equal((await ask(server, '/metrics')).body.length, whole?.body.length)
})

t.test('a download in which nothing moves is cut off', async (t) => {
  const { after, pending, fire } = manualTimers()
  const big = manyFlows(8000)
  const server = await serve(t, { after, scrape: async () => big })
  const stalled = dial(t, server)
  stalled.pause()
  stalled.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n')
  let quiet = 0
  // Full: the same one timer over many turns.
  await until(() => {
    quiet = pending().join() === '15000' ? quiet + 1 : 0
    return quiet > 25
  })
  fire(15_000)
  const got = await readToEnd(stalled.resume())
  t.match(got, /^HTTP\/1\.1 200 OK/)
  t.ok(got.length > 0 && !got.endsWith('0\r\n\r\n'), 'it does not look whole')
  t.same(pending(), [])
})

t.test('a slow reader gets every byte while others scrape', async (t) => {
  let turn = 0
  const server = await serve(t, { scrape: async () => manyFlows(3000 + (turn++ % 7)) })
  const flows = (text: string): number => text.match(/^orb8_active_flows\{/gm)?.length ?? 0
  const slow = dial(t, server)
  slow.write('GET /metrics HTTP/1.0\r\n\r\n')
  slow.pause()
  let text = ''
  const end = new Promise((resolve) => slow.once('close', resolve))
  const sip = setInterval(() => {
    text += slow.read(128 * 1024)?.toString('latin1') ?? slow.read()?.toString('latin1') ?? ''
  }, 2)
  t.teardown(() => clearInterval(sip))
  await until(() => turn > 0)
  for (let scrape = 1; scrape <= 10; scrape++) {
    const { body } = await ask(server, '/metrics')
    t.equal(flows(body.toString()), 3000 + (scrape % 7))
  }
  await end
  t.equal(flows(text), 3000)
  t.equal(readPrometheus(text.split('\r\n\r\n')[1] ?? '').size, 8)
})

t.test('a scrape before anything was counted is whole', async (t) => {
  const server = await serve(t, { scrape: async () => snapshotOf([]) })
  const { body } = await ask(server, '/metrics', { headers: { Accept: PROMETHEUS_3 } })
  t.ok(readOpenMetrics(body.toString()).size > 0)
  t.ok(SMALL.flows.rows.length > 0)
})

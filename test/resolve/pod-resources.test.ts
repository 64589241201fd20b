import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { PodResources, PodResourcesError, type PodResourcesOptions } from '../../src/resolve/pod-resources.ts'
import { until } from '../harness/child.ts'
import { holder, Kubelet } from '../harness/kubelet.ts'
import { Undo } from '../harness/undo.ts'

interface Bench {
  readonly undo: Undo
  readonly kubelet: Kubelet
  readonly client: PodResources
  /** Lets time pass. */
  readonly later: (ms: number) => void
}

function asking(body: (t: Test, bench: Bench) => Promise<void>, options: Partial<PodResourcesOptions> = {}): (t: Test) => Promise<void> {
  return async (t) => {
    const undo = new Undo()
    let nowMs = 0
    try {
      const kubelet = await Kubelet.start(undo, {
        pods: [holder('a', 'nvidia.com/gpu', 'GPU-1')],
        allocatable: { 'nvidia.com/gpu': ['GPU-1', 'GPU-2'] },
      })
      const client = new PodResources({ socket: kubelet.socket, now: () => nowMs, ...options })
      undo.add({ gently: () => client.close(), atOnce: () => undefined })
      await body(t, {
        undo,
        kubelet,
        client,
        later: (ms) => {
          nowMs += ms
        },
      })
    } finally {
      await undo.all()
    }
  }
}

const codeOf = async (answer: Promise<unknown>): Promise<string> =>
  answer.then(
    () => 'answered',
    (error) => (error instanceof PodResourcesError ? error.code : String(error)),
  )
const podsOf = async (client: PodResources) => (await client.ask())?.holdings.map(({ pod }) => pod)

t.test(
  'who holds what, and what there is',
  asking(async (t, { client }) => {
    t.strictSame(await client.ask(), {
      holdings: [{ namespace: 'ml', pod: 'a', container: 'main', resource: 'nvidia.com/gpu', id: 'GPU-1', pool: undefined }],
      allocatable: new Map([['nvidia.com/gpu', ['GPU-1', 'GPU-2']]]),
    })
  }),
)

t.test(
  'several who ask at once or within a second ask once; the total is asked for once a minute',
  asking(async (t, { client, kubelet, later }) => {
    await Promise.all([client.ask(), client.ask()])
    later(900)
    await client.ask()
    t.equal(kubelet.lists, 1)
    later(200)
    kubelet.says = { pods: [] }
    t.strictSame(await podsOf(client), [])
    t.strictSame([kubelet.lists, kubelet.totals], [2, 1])
    later(60_000)
    t.equal((await client.ask())?.allocatable, undefined, 'one that does not tell is no failure')
    t.equal(kubelet.totals, 2)
  }),
)

t.test(
  'a kubelet that restarts makes its socket anew, and is dialled anew; meanwhile its last answer is known',
  asking(async (t, { client, kubelet, later }) => {
    t.strictSame(await podsOf(client), ['a'])
    kubelet.stop()
    later(2000)
    t.equal(await codeOf(client.ask()), 'unavailable', 'no socket')
    t.equal(client.lastKnown?.holdings.length, 1)
    kubelet.says = { pods: [holder('b', 'nvidia.com/gpu', 'GPU-1')] }
    await kubelet.serve()
    t.strictSame(await podsOf(client), ['b'], 'at once')
    kubelet.stop(true)
    later(2000)
    t.ok(existsSync(kubelet.socket))
    t.equal(await codeOf(client.ask()), 'unavailable', 'a socket that nobody listens on')
    await kubelet.serve()
    t.strictSame(await podsOf(client), ['b'])
    kubelet.stop()
    later(60_001)
    t.equal(await codeOf(client.ask()), 'unavailable')
    t.equal(client.lastKnown, undefined, 'nothing is known for ever')
  }),
)

t.test(
  'a new socket is dialled though the old kubelet still answers on the old one',
  asking(async (t, { undo, client, kubelet, later }) => {
    t.strictSame(await podsOf(client), ['a'])
    const next = await Kubelet.start(undo, { pods: [holder('b', 'nvidia.com/gpu', 'GPU-1')] })
    renameSync(next.socket, kubelet.socket)
    later(2000)
    t.strictSame(await podsOf(client), ['b'])
  }),
)

t.test(
  'a refusal is told by its code, and the next question works',
  asking(async (t, { client, kubelet, later }) => {
    for (const refusal of ['RESOURCE_EXHAUSTED', 'PERMISSION_DENIED', 'UNIMPLEMENTED'] as const) {
      kubelet.refuses = refusal
      t.equal(await codeOf(client.ask()), refusal.toLowerCase())
    }
    kubelet.refuses = undefined
    later(2000)
    t.strictSame(await podsOf(client), ['a'])
  }),
)

t.test(
  'a kubelet that does not answer is waited for once, and given up in the end',
  asking(
    async (t, { client, kubelet }) => {
      kubelet.refuses = 'hang'
      t.equal(await codeOf(client.ask()), 'deadline_exceeded')
      const soon = await Promise.race([codeOf(client.ask()), new Promise((resolve) => setTimeout(() => resolve('late'), 1000))])
      t.equal(soon, 'deadline_exceeded', 'without waiting')
      t.equal(kubelet.lists, 1, 'one question at a time')
      kubelet.refuses = undefined
      await until('the next question', async () => (await codeOf(client.ask())) === 'answered')
    },
    { waitMs: 1500, limitMs: 3000 },
  ),
)

t.test(
  'an answer of several megabytes, as of a dense node, is taken',
  asking(
    async (t, { client, kubelet }) => {
      const cpu_ids = Array.from({ length: 256 }, (_, index) => index)
      kubelet.says = {
        pods: Array.from({ length: 500 }, (_, pod) => ({
          name: `pod-${pod}`,
          namespace: 'ml',
          containers: Array.from({ length: 20 }, (_, container) => ({
            name: `c${container}`,
            cpu_ids,
            devices: [{ resource_name: 'nvidia.com/gpu', device_ids: [`GPU-${pod}-${container}::0`] }],
          })),
        })),
      }
      t.equal((await client.ask())?.holdings.length, 10_000)
    },
    { waitMs: 20_000, limitMs: 20_000 },
  ),
)

t.test('where there never was a socket nobody is asked', async (t) => {
  const client = new PodResources({ socket: join(t.testdir({}), 'kubelet.sock') })
  t.equal(await client.ask(), undefined)
  t.equal(client.lastKnown, undefined)
})

t.test('a socket of something else is a failure', async (t) => {
  // Below /tmp: a socket's path has 107 characters at most.
  const folder = mkdtempSync(join(tmpdir(), 'orb8-socket-'))
  const socket = join(folder, 'other.sock')
  const server = createServer((connection) => {
    connection.on('error', () => undefined)
    connection.end('HTTP/1.1 400 Bad Request\r\n\r\n')
  })
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  const client = new PodResources({ socket, limitMs: 2000 })
  try {
    t.match(await codeOf(client.ask()), /^(unavailable|internal|deadline_exceeded)$/)
  } finally {
    client.close()
    server.close()
    rmSync(folder, { recursive: true })
  }
})

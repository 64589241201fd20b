import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import { Connections } from '../../src/publish/connections.ts'

/** What Connections uses of a socket: an address, an end. */
class Fake extends EventEmitter {
  readonly remoteAddress: string | undefined
  destroyed = false

  constructor(remoteAddress?: string) {
    super()
    this.remoteAddress = remoteAddress
  }

  destroy(): void {
    this.destroyed = true
    setImmediate(() => this.emit('close'))
  }

  get socket(): Socket {
    return this as unknown as Socket
  }
}

t.test('a full house turns newcomers away, and has room again once somebody leaves', async (t) => {
  const connections = new Connections(3)
  const [a, b, c, d] = ['1', '2', '3', '4'].map((address) => new Fake(address)) as [Fake, Fake, Fake, Fake]
  t.ok([a, b, c].every((fake) => connections.admit(fake.socket)))
  t.notOk(connections.admit(d.socket))
  t.ok(d.destroyed)
  b.emit('close')
  t.ok(connections.admit(new Fake('4').socket))
  t.notOk(connections.admit(new Fake('4').socket))
  connections.closeAll()
  t.ok(a.destroyed && c.destroyed)
})

t.test('who holds most of a full house loses the oldest to one with few, never to himself', async (t) => {
  const connections = new Connections(8)
  const greedy = Array.from({ length: 8 }, () => new Fake('10.0.0.66'))
  for (const fake of greedy) t.ok(connections.admit(fake.socket))
  t.notOk(connections.admit(new Fake('10.0.0.66').socket))
  t.ok(greedy.every(({ destroyed }) => !destroyed))
  const others = Array.from({ length: 3 }, () => new Fake('10.0.0.1'))
  for (const fake of others) t.ok(connections.admit(fake.socket))
  t.strictSame(
    greedy.map(({ destroyed }) => destroyed),
    [true, true, true, false, false, false, false, false],
  )
  t.notOk(connections.admit(new Fake('10.0.0.1').socket), 'three are more than half of five')
  t.ok(connections.admit(new Fake(undefined).socket), 'a unix socket’s end is somebody too')
  await new Promise((resolve) => setImmediate(resolve))
  connections.closeAll()
  await new Promise((resolve) => setImmediate(resolve))
  t.ok(
    greedy.every(({ socket }) => connections.admit(socket)),
    'each was counted out once',
  )
})

t.test('requests without an answer are counted for each connection', async (t) => {
  const connections = new Connections()
  const [one, other] = [new Fake('1').socket, new Fake('1').socket]
  for (let i = 0; i < 32; i++) t.ok(connections.begin(one))
  t.notOk(connections.begin(one))
  t.ok(connections.begin(other))
  connections.done(one)
  connections.done(one)
  t.ok(connections.begin(one))
})

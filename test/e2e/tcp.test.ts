// Bytes of TCP connections, at both ends and both ways, equal what the applications wrote and read.
import t from 'tap'
import { ended, still, twoEnds } from '../harness/ends.ts'
import { onSite } from '../harness/site.ts'
import { close, connect, exchange, listen } from '../harness/streams.ts'

t.test(
  'a short connection counts what was written and read, at each end in the cgroup that made the socket',
  onSite(async (t, site) => {
    const { server, client, flows } = await twoEnds(t, site)
    const port = await connect(server, client)
    await exchange(server, client, 12_345, 678)
    await close(server, client)
    await flows(
      { [`server tcp ${port} loopback`]: ended(678, 12_345) },
      { [`client tcp ${port} loopback`]: ended(12_345, 678) },
      'bytes, opened and closed',
    )
  }),
)

t.test(
  'a long connection is counted while it is open, scrape after scrape, and once it is closed nothing is added',
  onSite(async (t, site) => {
    const { server, client, flows } = await twoEnds(t, site)
    const port = await connect(server, client)
    let up = 0
    let down = 0
    for (const [more, back] of [
      [1, 0],
      [0, 1],
      [5_000_000, 3_000_001],
      [17, 70_000],
    ] as const) {
      await exchange(server, client, more, back)
      up += more
      down += back
      await flows(
        { [`server tcp ${port} loopback`]: still(down, up) },
        { [`client tcp ${port} loopback`]: still(up, down) },
        `${up} up and ${down} down so far`,
      )
    }
    await close(server, client)
    await flows({ [`server tcp ${port} loopback`]: ended(down, up) }, { [`client tcp ${port} loopback`]: ended(up, down) }, 'closed')
  }),
)

t.test(
  'a connection without a byte of payload counts no byte',
  onSite(async (t, site) => {
    const { server, client, flows } = await twoEnds(t, site)
    const port = await connect(server, client)
    await close(server, client)
    await flows({ [`server tcp ${port} loopback`]: ended(0, 0) }, { [`client tcp ${port} loopback`]: ended(0, 0) }, 'no SYN, no FIN')
  }),
)

for (const [what, options] of [
  ['IPv6', { at: '::1' }],
  ['IPv4 to a listener on IPv6', { at: '::', to: '127.0.0.1' }],
  ['an IPv4-mapped address dialled from an IPv6 socket', { at: '127.0.0.1', to: '::ffff:127.0.0.1' }],
] as const) {
  t.test(
    `${what} counts the same`,
    onSite(async (t, site) => {
      const { server, client, flows } = await twoEnds(t, site)
      const port = await connect(server, client, options)
      await exchange(server, client, 4_321, 1_000_000)
      await flows(
        { [`server tcp ${port} loopback`]: still(1_000_000, 4_321) },
        { [`client tcp ${port} loopback`]: still(4_321, 1_000_000) },
        'open',
      )
      await close(server, client)
      await flows(
        { [`server tcp ${port} loopback`]: ended(1_000_000, 4_321) },
        { [`client tcp ${port} loopback`]: ended(4_321, 1_000_000) },
        'closed',
      )
    }),
  )
}

for (const [first, second] of [
  ['client', 'server'],
  ['server', 'client'],
] as const) {
  t.test(
    `half-closed by the ${first}, the ${second} sends on`,
    onSite(async (t, site) => {
      const { server, client, flows } = await twoEnds(t, site)
      const port = await connect(server, client)
      await exchange(server, client, 100, 200)
      const [early, late] = first === 'client' ? [client, server] : [server, client]
      const [own, other] = first === 'client' ? ['c', 's'] : ['s', 'c']
      await early.say(`shutdown ${own}`)
      await late.say(`read ${other}`)
      await Promise.all([late.say(`write ${other} 300000`), early.say(`read ${own} 300000`)])
      const [up, down] = first === 'client' ? [100, 300_200] : [300_100, 200]
      await flows(
        { [`server tcp ${port} loopback`]: still(down, up) },
        { [`client tcp ${port} loopback`]: still(up, down) },
        'the FIN is no byte while the other half lives',
      )
      await late.say(`close ${other}`)
      await early.each(`read ${own}`, `close ${own}`)
      await flows({ [`server tcp ${port} loopback`]: ended(down, up) }, { [`client tcp ${port} loopback`]: ended(up, down) }, 'closed')
    }),
  )
}

t.test(
  'both ends close at the same time',
  onSite(async (t, site) => {
    const { server, client, flows } = await twoEnds(t, site)
    const port = await connect(server, client)
    await exchange(server, client, 11, 22)
    await Promise.all([server.say('shutdown s'), client.say('shutdown c')])
    await Promise.all([server.each('read s', 'close s', 'close l'), client.each('read c', 'close c')])
    await flows({ [`server tcp ${port} loopback`]: ended(22, 11) }, { [`client tcp ${port} loopback`]: ended(11, 22) }, 'closed')
  }),
)

t.test(
  'reset with bytes unread: what arrived at the socket counts as received, what left as sent',
  onSite(async (t, site) => {
    const { server, client, flows } = await twoEnds(t, site)
    const port = await connect(server, client)
    await exchange(server, client, 1000, 500)
    await client.say('write c 7000')
    await server.say('read s 3000')
    t.equal((await server.say('info s')).unread, 4000, '4000 bytes lie unread')
    await server.each('reset s', 'close l')
    t.match(await client.attempt('read c'), { error: 'ECONNRESET' })
    await client.say('close c')
    await flows({ [`server tcp ${port} loopback`]: ended(500, 8000) }, { [`client tcp ${port} loopback`]: ended(8000, 500) }, 'reset')
  }),
)

t.test(
  'a connection that its maker resets at once still counts as opened and closed',
  onSite(async (t, site) => {
    const { server, client, flows } = await twoEnds(t, site)
    const port = await listen(server)
    await client.each('socket c 4 tcp', `connect c 127.0.0.1 ${port}`, 'write c 10', 'reset c')
    await server.say('accept l s')
    t.match(await server.attempt('read s'), { error: 'ECONNRESET' })
    await server.each('close s', 'close l')
    await flows({ [`server tcp ${port} loopback`]: ended(0, 10) }, { [`client tcp ${port} loopback`]: ended(10, 0) }, 'reset')
  }),
)

t.test(
  'a refused connection leaves no bytes and no connection behind',
  onSite(async (t, site) => {
    const { server, client, flows } = await twoEnds(t, site)
    const port = await listen(server)
    await server.say('close l')
    await client.say('socket c 4 tcp')
    t.match(await client.attempt(`connect c 127.0.0.1 ${port}`), { error: 'ECONNREFUSED' })
    const next = await connect(server, client)
    await exchange(server, client, 3, 4)
    await close(server, client)
    await flows({ [`server tcp ${next} loopback`]: ended(4, 3) }, { [`client tcp ${next} loopback`]: ended(3, 4) }, 'only the second one')
  }),
)

t.test(
  'sendfile counts every byte of the file',
  onSite(async (t, site) => {
    const { server, client, flows } = await twoEnds(t, site)
    const port = await connect(server, client)
    await Promise.all([client.say('sendfile c 3000001'), server.say('read s 3000001')])
    await flows(
      { [`server tcp ${port} loopback`]: still(0, 3_000_001) },
      { [`client tcp ${port} loopback`]: still(3_000_001, 0) },
      'sent by sendfile',
    )
    await close(server, client)
  }),
)

t.test(
  'splice into a socket and out of one counts every byte',
  onSite(async (t, site) => {
    const { server, client, flows } = await twoEnds(t, site)
    const port = await connect(server, client)
    await Promise.all([client.say('splice c 2000003'), server.say('unsplice s 2000003')])
    await Promise.all([server.say('splice s 999'), client.say('unsplice c 999')])
    await close(server, client)
    await flows(
      { [`server tcp ${port} loopback`]: ended(999, 2_000_003) },
      { [`client tcp ${port} loopback`]: ended(2_000_003, 999) },
      'spliced',
    )
  }),
)

t.test(
  'a connection to another of the host’s loopback addresses is loopback too',
  onSite(async (t, site) => {
    const { server, client, flows } = await twoEnds(t, site)
    const port = await connect(server, client, { at: '0.0.0.0', to: '127.1.2.3' })
    await exchange(server, client, 31, 41)
    await close(server, client)
    await flows({ [`server tcp ${port} loopback`]: ended(41, 31) }, { [`client tcp ${port} loopback`]: ended(31, 41) }, '127.1.2.3')
  }),
)

t.test(
  'one socket used for two connections counts each of them',
  onSite(async (t, site) => {
    const { server, client, flows } = await twoEnds(t, site)
    const port = await connect(server, client)
    await exchange(server, client, 1000, 2000)
    await client.say('disconnect c')
    t.match(await server.attempt('read s'), { error: 'ECONNRESET' })
    await client.say(`connect c 127.0.0.1 ${port}`)
    await server.each('close s', 'accept l s')
    await exchange(server, client, 30, 40)
    await close(server, client)
    const row = (sent: number, received: number) => ({ sent, received, opened: 2, closed: 2, open: 0 })
    await flows({ [`server tcp ${port} loopback`]: row(2040, 1030) }, { [`client tcp ${port} loopback`]: row(1030, 2040) }, 'both')
  }),
)

t.test(
  'a socket that connects to itself sends what it receives',
  onSite(async (t, site) => {
    const { client, flows } = await twoEnds(t, site)
    await client.say('socket c 4 tcp')
    const { port } = await client.say('bind c 127.0.0.1 0')
    await client.each(`connect c 127.0.0.1 ${port}`, 'write c 5000', 'read c 5000')
    await flows({}, { [`client tcp ${port} loopback`]: still(5000, 5000) }, 'open')
    await client.say('close c')
    await flows({}, { [`client tcp ${port} loopback`]: ended(5000, 5000) }, 'closed')
  }),
)

t.test(
  'a byte out of band is a byte',
  onSite(async (t, site) => {
    const { server, client, flows } = await twoEnds(t, site)
    const port = await connect(server, client)
    await client.each('write c 10', 'urgent c', 'write c 10', 'shutdown c')
    // It is taken out of the stream: 20 are read in order.
    await server.each('read s', 'close s', 'close l')
    await client.each('read c', 'close c')
    await flows({ [`server tcp ${port} loopback`]: ended(0, 21) }, { [`client tcp ${port} loopback`]: ended(21, 0) }, 'closed')
  }),
)

t.test(
  'bytes that never left, because the other end reads no more, are not counted as sent',
  onSite(async (t, site) => {
    const { server, client, flows } = await twoEnds(t, site)
    await server.each('socket l 4 tcp', 'option l rcvbuf 4096', 'bind l 127.0.0.1 0')
    const { port } = await server.say('listen l')
    await client.each('socket c 4 tcp', `connect c 127.0.0.1 ${port}`, 'patience c 1')
    await server.say('accept l s')
    t.match(await client.attempt('write c 10000000'), { error: 'EAGAIN' }, 'the send buffer is full')
    const { unread } = await server.say('info s')
    await client.say('reset c')
    t.match(await server.attempt('read s'), { ok: true })
    await server.each('close s', 'close l')
    await flows({ [`server tcp ${port} loopback`]: ended(0, unread) }, { [`client tcp ${port} loopback`]: ended(unread, 0) }, 'reset')
  }),
)

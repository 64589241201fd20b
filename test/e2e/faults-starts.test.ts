// A start that is killed at any kernel call, or finds half of its pins: the next one heals it, and nothing counts twice.
import { readdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Exporter, runCommand, runToTheEnd } from '../harness/exporter.ts'
import type { Scrape } from '../harness/exposition.ts'
import { FaultyCalls } from '../harness/faulty-calls.ts'
import { flowsOf, type Row } from '../harness/flows.ts'
import { type Change, otherBuild } from '../harness/other-build.ts'
import { onSite, type Site } from '../harness/site.ts'
import { close, connect, exchange } from '../harness/streams.ts'

/** How many calls a start makes varies a little: one that comes late is of a collection. */
const KILLED = ['--listen', '127.0.0.1:0', '--collect-interval', '1s']

const SAME_LAYOUT: readonly Change[] = [{ file: 'socket.bpf.c', from: '#define BREATHE 16384', to: '#define BREATHE 8192' }]
const OTHER_LAYOUT: readonly Change[] = [
  { file: 'layout.h', from: '\t__u8 protocol;\n\t__u8 role;\n', to: '\t__u8 role;\n\t__u8 protocol;\n' },
  { file: 'connection.h', from: '\t__u32 segments_out;\n', to: '\t__u64 of_old;\n\t__u32 segments_out;\n' },
]

/** Of the calls that a start makes, these are tried: the last ones all, since by then much is there. */
const TRIED = 12
const LAST = 4
/** In which a start sets aside what has another layout, pin by pin: tried all. */
const FIRST = 16

function instants(calls: number, first = 0): number[] {
  const room = calls - LAST - first
  const spread = Array.from({ length: TRIED }, (_, index) => first + 1 + Math.floor(((index + Math.random()) * room) / TRIED))
  return [
    ...Array.from({ length: first }, (_, index) => index + 1),
    ...spread,
    ...Array.from({ length: LAST }, (_, index) => calls - index),
  ]
}

/** Two agents with a connection that stays open through everything, and what it did. */
async function steady(site: Site) {
  const cgroups = { server: site.cgroup('server'), client: site.cgroup('client') }
  const [server, client] = [site.agent({ cgroup: cgroups.server }), site.agent({ cgroup: cgroups.client })]
  const port = await connect(server, client)
  const key = `client tcp ${port} loopback`
  const reads = async (t: Test, exporter: Exporter, row: Row, why: string): Promise<void> => {
    const read = (scrape: Scrape) => flowsOf(scrape, cgroups.client)
    t.same(await exporter.settled({ [key]: row }, read), { [key]: row }, why)
  }
  const send = (bytes: number): Promise<void> => exchange(server, client, bytes, 0)
  return { cgroups, server, client, send, reads }
}

const adopted = (sent: number): Row => ({ sent, received: 0, opened: 0, closed: 0, open: 1 })

t.test(
  'a first start that is killed at a kernel call is healed by the next: what was open before is taken up, nothing counts twice',
  onSite(async (t, site) => {
    const faults = new FaultyCalls(site.undo)
    const { path } = site.bpffs()
    const { send, reads } = await steady(site)
    faults.watch()
    const whole = await site.exporter({ args: ['--pin-path', join(path, 'whole'), '--collect-interval', '1h'], env: faults.env })
    const calls = faults.seen
    await whole.stop()
    whole.dead = true
    await runCommand(site.undo, 'unload', { args: ['--pin-path', join(path, 'whole')] })
    t.ok(calls > 100, `${calls} calls`)
    for (const nth of instants(calls)) {
      const args = ['--pin-path', join(path, `killed-at-${nth}`), '--collect-interval', '1h']
      faults.endAt(nth)
      const ended = await runToTheEnd(site.undo, { args: [...args.slice(0, 2), ...KILLED], env: faults.env })
      t.equal(ended.signal, 'SIGKILL', `killed at call ${nth}`)
      const next = await site.exporter({ args })
      await send(11)
      await reads(t, next, adopted(11), `whole after an end at call ${nth} of ${calls}`)
      await next.die()
      t.equal((await runCommand(site.undo, 'unload', { args: args.slice(0, 2) })).code, 0)
    }
  }, 300_000),
)

t.test(
  'an upgrade that is killed at a kernel call is healed by the next start of either build: every byte counts, once',
  onSite(async (t, site) => {
    const faults = new FaultyCalls(site.undo)
    const { pins } = site.bpffs()
    const args = ['--pin-path', pins, '--collect-interval', '1h']
    const second = otherBuild(site.undo, SAME_LAYOUT)
    const { send, reads } = await steady(site)
    await (await site.exporter({ args })).die()
    let sent = 0
    const more = async (): Promise<void> => {
      await send(7)
      sent += 7
    }
    faults.watch()
    const upgraded = await site.exporter({ args, env: faults.env, program: second })
    const calls = faults.seen
    t.match(upgraded.log.join('\n'), /"origin":"replaced"/)
    await upgraded.die()
    for (const [index, nth] of instants(calls).entries()) {
      const [old, fresh] = index % 2 === 0 ? [second, undefined] : [undefined, second]
      const build = (program: string | undefined) => (program === undefined ? {} : { program })
      await (await site.exporter({ args, ...build(old) })).die()
      await more()
      faults.endAt(nth)
      const ended = await runToTheEnd(site.undo, { args: [...args.slice(0, 2), ...KILLED], env: faults.env, ...build(fresh) })
      t.equal(ended.signal, 'SIGKILL', `killed at call ${nth}`)
      await more()
      const next = await site.exporter({ args, ...build(index % 3 === 0 ? old : fresh) })
      t.match(next.log.join('\n'), /counters go on/)
      await more()
      await reads(t, next, adopted(sent), `exact after an end at call ${nth} of ${calls}`)
      await next.die()
    }
  }, 300_000),
)

t.test(
  'a change of layout that is killed at a kernel call is healed by the next start: what no life has told is told once',
  onSite(async (t, site) => {
    const faults = new FaultyCalls(site.undo)
    const { pins } = site.bpffs()
    const args = ['--pin-path', pins, '--collect-interval', '1h']
    const other = otherBuild(site.undo, OTHER_LAYOUT)
    const { send, reads } = await steady(site)
    await (await site.exporter({ args })).die()
    faults.watch()
    const upgraded = await site.exporter({ args, env: faults.env, program: other })
    const calls = faults.seen
    await reads(t, upgraded, adopted(0), 'told again')
    await upgraded.die()
    for (const nth of instants(calls, FIRST)) {
      const first = await site.exporter({ args })
      await send(5)
      await reads(t, first, adopted(5), 'back')
      await first.die()
      await send(7)
      faults.endAt(nth)
      const ended = await runToTheEnd(site.undo, { args: [...args.slice(0, 2), ...KILLED], env: faults.env, program: other })
      t.equal(ended.signal, 'SIGKILL', `killed at call ${nth}`)
      await send(70)
      const next = await site.exporter({ args, program: other })
      await send(700)
      await reads(t, next, adopted(777), `exact after an end at call ${nth} of ${calls}`)
      await next.die()
    }
  }, 300_000),
)

t.test(
  'whichever pin is missing, the next start goes on exactly or begins at 0 and says so',
  onSite(async (t, site) => {
    const { pins } = site.bpffs()
    const args = ['--pin-path', pins, '--collect-interval', '1h']
    const { server, client, cgroups, send, reads } = await steady(site)
    const first = await site.exporter({ args })
    let sent = 0
    await reads(t, first, adopted(0), 'taken up')
    await first.die()
    const names = readdirSync(pins)
    t.ok(names.length > 30, names.join(' '))
    let begun = 0
    for (const name of names) {
      unlinkSync(join(pins, name))
      const next = await site.exporter({ args })
      if (/every counter starts at 0/.test(next.log.join('\n'))) {
        sent = 0
        begun++
      } else t.match(next.log.join('\n'), /counters go on/)
      await send(13)
      sent += 13
      await reads(t, next, adopted(sent), `without ${name}`)
      t.same(readdirSync(pins).sort(), names.sort(), `${name} is there again, and nothing else`)
      await next.die()
    }
    t.ok(begun < names.length / 2, `${begun} of ${names.length} began at 0`)
    await close(server, client)
    const last = await site.exporter({ args })
    const row = { ...adopted(sent), closed: 1, open: 0 }
    const [key = ''] = Object.keys(flowsOf(await last.scrape(), cgroups.client))
    t.same(await last.settled({ [key]: row }, (scrape) => flowsOf(scrape, cgroups.client)), { [key]: row }, 'and closed once')
  }, 300_000),
)

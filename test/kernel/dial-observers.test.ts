// Observers of what is dialled are there where and while somebody may rewrite it, below him, and nowhere else.
import { rmdirSync } from 'node:fs'
import t from 'tap'
import { isExclusive, programsAt } from '../../src/kernel/cgroup-programs.ts'
import { ALONE, DIAL_HOOKS, type DialNews } from '../../src/kernel/dial-observers.ts'
import type { SocketDatapath } from '../../src/kernel/socket-datapath.ts'
import { startBalancer } from '../harness/balancer.ts'
import { until } from '../harness/child.ts'
import { Counted, HOSTS, makePods, startBelow } from '../harness/pods.ts'
import { onSite } from '../harness/site.ts'

const OBSERVERS = [...DIAL_HOOKS.keys()]
const statesOf = (news: readonly DialNews[]): string[] =>
  news.map(({ program, state, cgroup }) => `${program} ${state} ${cgroup}`.trimEnd())

const idsAt = (cgroup: string) => [...DIAL_HOOKS.values()].map((hook) => programsAt(cgroup, hook))

/** How many programs run at each hook for sockets of the cgroup. */
const runningAt = (cgroup: string): number[] => [...DIAL_HOOKS.values()].map((hook) => programsAt(cgroup, hook).length)

const observing = (datapath: SocketDatapath): boolean[] => OBSERVERS.map((name) => datapath.programs().get(name) === true)

t.test(
  'they come with whoever rewrites, and go with him',
  onSite(async (t, site) => {
    const { root, above } = makePods(site)
    await using datapath = await startBelow({ root })
    t.same(datapath.followDials(), [], 'nobody rewrites')
    const before = runningAt(above.directory)
    t.same(before, [0, 0, 0, 0])
    t.same(observing(datapath), [true, true, true, true], 'loaded all the same')

    const balancer = startBalancer(site.undo)
    t.same(
      statesOf(datapath.followDials()),
      OBSERVERS.map((name) => `${name} observes ${above.directory}`),
    )
    t.same(runningAt(above.directory), [2, 2, 2, 2])
    t.same(runningAt(root.directory), [1, 1, 1, 1], 'none but the pods are observed')
    t.same(datapath.followDials(), [], 'nothing new')
    t.same(runningAt(above.directory), [2, 2, 2, 2])

    balancer.end()
    t.same(
      statesOf(datapath.followDials()),
      OBSERVERS.map((name) => `${name} idle`),
    )
    t.same(runningAt(above.directory), [0, 0, 0, 0])
  }),
)

for (const alone of ['exclusive', 'override'] as const) {
  t.test(
    `where a program above was attached to be the only one (${alone}) it stays so: the refusal is told, and all else counts`,
    onSite(async (t, site) => {
      const pods = makePods(site)
      startBalancer(site.undo, pods.root.directory, { alone })
      const others = idsAt(pods.above.directory)
      await using datapath = await startBelow(pods)
      t.ok(isExclusive(pods.root.directory, DIAL_HOOKS.get('orb8_connect4') ?? 0))
      t.notOk(isExclusive(pods.above.directory, DIAL_HOOKS.get('orb8_connect4') ?? 0))
      t.same(
        statesOf(datapath.followDials()),
        OBSERVERS.map((name) => `${name} refused ${pods.above.directory}`),
      )
      t.same(datapath.followDials(), [], 'told once')
      t.same(
        datapath.refused,
        OBSERVERS.map((program) => ({ program, reason: 'attach: EPERM', remedy: ALONE })),
      )
      t.same(observing(datapath), [false, false, false, false])
      t.same(idsAt(pods.above.directory), others, 'they run as before')
      const counted = new Counted(datapath)
      await pods.client.each('socket u 4 udp', `sendto u ${HOSTS.server[0]} 9 5 1`)
      await counted.collect()
      t.same(counted.of(pods.cgroups.client, 'sentBytes'), { [`client 17 9 ${HOSTS.server[0]}`]: { sentBytes: 5 } })
    }),
  )
}

t.test(
  'a program that comes alone after us is not kept from running: we are not there before him',
  onSite(async (t, site) => {
    const pods = makePods(site)
    await using datapath = await startBelow(pods)
    datapath.followDials()
    const { balance } = startBalancer(site.undo, pods.root.directory, { alone: 'exclusive' })
    balance(['10.96.77.10', 80], [HOSTS.server[0], 8080])
    await pods.server.each('socket l 4 tcp', `bind l ${HOSTS.server[0]} 8080`, 'listen l')
    await pods.client.each('socket c 4 tcp', 'connect c 10.96.77.10 80')
    datapath.followDials()
    t.same(runningAt(pods.above.directory), [1, 1, 1, 1])
    await pods.client.each('close c', 'socket d 4 tcp', 'connect d 10.96.77.10 80')
  }),
)

t.test(
  'the cgroup of the pods may come after us',
  onSite(async (t, site) => {
    const root = site.cgroup('node')
    startBalancer(site.undo)
    let now = 0
    await using datapath = await startBelow({ root }, { dialClock: () => now })
    t.same(datapath.followDials(), [], 'no pods')
    const above = site.cgroup('kubepods', root)
    now += 59_000
    t.same(datapath.followDials(), [], 'looked for once a minute')
    now += 1000
    t.equal(datapath.followDials().length, 4)
    t.same(runningAt(above.directory), [2, 2, 2, 2])
    rmdirSync(above.directory)
    now += 60_000
    // The kernel lets go of the links a moment later.
    const news: DialNews[] = []
    await until('the observers to be gone', () => {
      news.push(...datapath.followDials())
      return news.length === 4
    })
    t.same(
      statesOf(news),
      OBSERVERS.map((name) => `${name} idle`),
    )
    const again = site.cgroup('kubepods.slice', root)
    now += 60_000
    t.same(
      statesOf(datapath.followDials()),
      OBSERVERS.map((name) => `${name} observes ${again.directory}`),
    )
  }),
)

import t from 'tap'
import type { Snapshot } from '../../src/model.ts'
import { Pods } from '../../src/store/pods.ts'
import { createStore, type Store } from '../../src/store/store.ts'
import { flow, health } from './flows.ts'

const MINUTE = 60_000

function node(flowLabels: readonly ('namespace' | 'pod' | 'workload' | 'protocol')[] = ['namespace', 'pod', 'workload', 'protocol']) {
  const clock = { nowMs: 0 }
  const living = new Set(['shop/web-1', 'shop/web-2'])
  const lives = (namespace: string, pod: string): boolean => living.has(`${namespace}/${pod}`)
  const store = createStore({ flowLabels, seriesLimit: 1000, seriesIdleMs: 60 * MINUTE, now: () => clock.nowMs, lives })
  const at = async (minute: number, ...deeds: ((store: Store) => void)[]): Promise<Snapshot> => {
    clock.nowMs = minute * MINUTE
    for (const deed of deeds) deed(store)
    await store.commit(0)
    return store.snapshot(0)
  }
  return { at, living, store }
}

const sent =
  (bytes: number, pod = 'web-1', connections = {}) =>
  (store: Store): void =>
    store.add(flow({ pod }, { sentBytes: bytes, ...connections }))

/** Pods of the rows of each table. */
function pods({ flows, containers, health }: Snapshot): string[][] {
  return [flows, containers, ...health].map(({ rows, labelNames }) => rows.map(({ labels }) => labels[labelNames.indexOf('pod')] ?? ''))
}

function column({ flows }: Snapshot, name: string): Record<string, number> {
  const { rows, columns, values, labelNames } = flows
  const at = columns.findIndex(({ metric }) => metric.name === name)
  return Object.fromEntries(
    rows.map(({ labels }, row) => [labels[labelNames.indexOf('pod')] ?? '', values[row * columns.length + at] as number]),
  )
}

t.test('a pod deleted between two collections keeps its series for five minutes, in every table', async (t) => {
  const { at, living } = node()
  const drops = (store: Store): void => store.addHealth(health({ pod: 'web-1' }, { receiveDrops: 1 }))
  await at(0, sent(100), sent(10, 'web-2'), drops)
  living.delete('shop/web-1')
  t.same(pods(await at(1)), [['web-1', 'web-2'], ['web-1', 'web-2'], [], [], [], ['web-1']])
  t.same(pods(await at(5.99)), [['web-1', 'web-2'], ['web-1', 'web-2'], [], [], [], ['web-1']])
  t.same(pods(await at(6)), [['web-2'], ['web-2'], [], [], [], []])
})

t.test('open connections do not keep the series of a pod that has gone', async (t) => {
  const { at, living } = node()
  await at(0, sent(1, 'web-1', { opened: 2 }))
  living.delete('shop/web-1')
  t.same(column(await at(1), 'orb8_active_flows'), { 'web-1': 2 })
  t.same(pods(await at(6))[0], [])
})

t.test('what comes later starts at 0, stays for five minutes after it moved last, and takes nobody’s connections', async (t) => {
  const { at, living } = node()
  await at(0, sent(1000, 'web-1', { opened: 2 }), sent(1, 'web-2', { opened: 5 }))
  living.delete('shop/web-1')
  await at(1)
  await at(6)
  const late = await at(7, sent(3, 'web-1', { closed: 2 }))
  t.same(column(late, 'orb8_flow_bytes_total'), { 'web-1': 3, 'web-2': 1 })
  t.same(column(late, 'orb8_active_flows'), { 'web-1': 0, 'web-2': 5 })
  t.same(column(await at(8), 'orb8_flow_bytes_total'), { 'web-1': 3, 'web-2': 1 })
  t.same(column(await at(11), 'orb8_flow_bytes_total'), { 'web-1': 3, 'web-2': 1 })
  t.same(column(await at(12), 'orb8_flow_bytes_total'), { 'web-2': 1 })
})

t.test('a series that moves just as its five minutes are over does not fall: it goes on until it rests', async (t) => {
  const { at, living } = node()
  await at(0, sent(1000))
  living.delete('shop/web-1')
  await at(1)
  t.same(column(await at(6, sent(1)), 'orb8_flow_bytes_total'), { 'web-1': 1001 })
  t.same(column(await at(10), 'orb8_flow_bytes_total'), { 'web-1': 1001 })
  t.same(column(await at(11), 'orb8_flow_bytes_total'), {})
})

t.test('a pod made again under the same name goes on', async (t) => {
  const { at, living } = node()
  await at(0, sent(100))
  living.delete('shop/web-1')
  await at(1)
  living.add('shop/web-1')
  await at(5)
  t.same(column(await at(20, sent(1)), 'orb8_flow_bytes_total'), { 'web-1': 101 })
})

t.test('series without the pod’s full name are nobody’s to take away', async (t) => {
  const { at, living } = node(['pod', 'workload'])
  await at(0, sent(100))
  living.clear()
  await at(1)
  const [flows, containers] = pods(await at(20))
  t.same([flows, containers], [['web-1'], []])
})

t.test('pods without series are forgotten', async (t) => {
  let asked = 0
  const known = new Pods(() => {
    asked++
    return false
  })
  const pod = known.have('shop', 'web-1')
  t.equal(known.have('shop', 'web-1'), pod)
  t.equal(known.have('shop', ''), undefined)
  if (pod === undefined) return
  const review = (minute: number): void => {
    known.review(minute * MINUTE)
    known.reviewed(minute * MINUTE)
  }
  review(0)
  review(5)
  t.ok(pod.left)
  known.giveBack(pod)
  known.giveBack(pod)
  review(6)
  t.equal(known.have('shop', 'web-1'), pod, 'remembered for a while')
  known.giveBack(pod)
  review(10)
  t.equal(asked, 4)
  review(11)
  t.equal(asked, 4, 'nobody is asked for')
})

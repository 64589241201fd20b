import t from 'tap'
import { CONTAINER_BYTES, FLOW_LABELS, LISTEN_OVERFLOWS, RECEIVE_DROPS, RTT } from '../../src/metrics.ts'
import { containerLabelSet, flowLabelSet, ownerLabelSet, timeLabelSet } from '../../src/store/labels.ts'
import { LABELS } from './flows.ts'

t.test('all labels are read from the field of their name, in the order of metrics.ts', async (t) => {
  const set = flowLabelSet(FLOW_LABELS)
  t.same(set.names, [...FLOW_LABELS])
  t.same(set.values(LABELS), ['shop', 'web-1', 'nginx', 'web', 'Deployment', 'client', 'tcp', '5432', 'pod', 'data', 'postgres', 'z1'])
})

t.test('namespace, pod and container are written empty where they were not chosen, others are not written', async (t) => {
  const set = flowLabelSet(['peer_kind', 'workload', 'direction'])
  t.same(set.names, ['namespace', 'pod', 'container', 'workload', 'peer_kind'])
  t.same(set.values(LABELS), ['', '', '', 'web', 'pod'])
})

t.test('the wider row keeps the workload and the protocol and says nothing of the peer', async (t) => {
  const set = flowLabelSet(FLOW_LABELS)
  const wide = set.widen(set.values(LABELS))
  t.same(wide, ['shop', 'web-1', 'nginx', 'web', 'Deployment', 'unknown', 'tcp', '0', 'other', '', '', ''])
  t.ok(set.catchAll(wide))
  t.notOk(set.catchAll(set.values(LABELS)))
})

t.test('overflow rows hold what could not be told apart', async (t) => {
  const set = flowLabelSet(FLOW_LABELS)
  t.ok(set.catchAll(set.values({ ...LABELS, peerKind: 'overflow', role: 'unknown', port: '0' })))
})

t.test('where nothing of the peer is chosen a row is its own wider one', async (t) => {
  const set = flowLabelSet(['namespace', 'workload', 'protocol'])
  const values = set.values(LABELS)
  t.same(set.widen(values), values)
  t.ok(set.catchAll(values))
})

t.test('values that read alike when run together have different keys', async (t) => {
  const set = flowLabelSet(['namespace', 'pod', 'workload'])
  const key = (namespace: string, pod: string, workload: string) => set.key(set.values({ ...LABELS, namespace, pod, workload }))
  t.equal(new Set([key('ab', 'c', ''), key('a', 'bc', ''), key('abc', '', ''), key('', '', 'abc')]).size, 4)
})

t.test('the far end is what remains when the owner is taken away', async (t) => {
  const set = flowLabelSet(FLOW_LABELS)
  const stranger = { ...LABELS, namespace: 'x', pod: 'x', container: 'x', workload: 'x', workloadKind: 'x' }
  t.equal(set.farEnd(set.values(LABELS)), set.farEnd(set.values(stranger)))
  for (const other of [{ port: '1' }, { role: 'server' as const }, { peerZone: 'z2' }, { protocol: 'udp' }]) {
    t.not(set.farEnd(set.values(LABELS)), set.farEnd(set.values({ ...LABELS, ...other })))
  }
})

t.test('a row may hold TCP unless its protocol is written and another', async (t) => {
  const tcp = (protocol: string, chosen: Parameters<typeof flowLabelSet>[0]) => {
    const set = flowLabelSet(chosen)
    return set.tcp(set.values({ ...LABELS, protocol }))
  }
  t.ok(tcp('tcp', ['protocol']))
  t.notOk(tcp('udp', ['protocol']))
  t.ok(tcp('', ['protocol']), "the node's overflow, where the protocol is not known")
  t.ok(tcp('udp', ['workload']), 'protocols are summed')
})

t.test('containers are always named', async (t) => {
  const set = containerLabelSet()
  t.same([...set.names, 'direction'].toSorted(), CONTAINER_BYTES.labels.toSorted())
  t.same(set.values(LABELS), ['shop', 'web-1', 'nginx', 'web', 'Deployment', 'tcp', 'pod'])
})

t.test('times are by workload: pod and container are written, and empty', async (t) => {
  const set = timeLabelSet()
  t.same([...set.names], RTT.labels)
  t.same(set.values(LABELS), ['shop', '', '', 'web', 'Deployment', 'client', 'pod'])
  const wide = set.widen(set.values(LABELS))
  t.same(wide, ['shop', '', '', 'web', 'Deployment', 'unknown', 'other'])
  t.ok(set.catchAll(wide))
})

t.test('an owner is always named, and is its own wider row', async (t) => {
  const set = ownerLabelSet()
  for (const { labels } of [RECEIVE_DROPS, LISTEN_OVERFLOWS]) t.same([...set.names], labels)
  const values = set.values(LABELS)
  t.same(values, ['shop', 'web-1', 'nginx', 'web', 'Deployment'])
  t.same(set.widen(values), values)
  t.ok(set.catchAll(values))
})

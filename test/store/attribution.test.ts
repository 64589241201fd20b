import t from 'tap'
import { AttributedBytes } from '../../src/store/attribution.ts'
import { Counters } from '../../src/store/counters.ts'
import { Ledger } from '../../src/store/ledger.ts'
import { createProcessMemory } from '../../src/store/ledger-memory.ts'

const counts = (sentBytes: number, receivedBytes: number) => ({
  sentBytes,
  receivedBytes,
  sentPackets: 1,
  receivedPackets: 1,
  opened: 0,
  adopted: 0,
  closed: 0,
  retransmitted: 0,
})

t.test('bytes both ways are counted under their method, and never fall', async (t) => {
  const ledger = new Ledger({ memory: createProcessMemory(), identity: '', startMs: 0 })
  const attributed = new AttributedBytes(new Counters(ledger, 3, () => undefined))
  attributed.add('cgroup', counts(10, 5))
  attributed.add('host', counts(1, 0))
  t.same(attributed.publish(), { cgroup: 15, pod_ip: 0, host: 1, none: 0 })
  attributed.add('cgroup', counts(-1, 0))
  attributed.add('none', counts(0, 2))
  attributed.add('pod_ip', counts(3, 0))
  t.same(attributed.publish(), { cgroup: 15, pod_ip: 3, host: 1, none: 2 })
  attributed.add('cgroup', counts(4, 0))
  t.same(attributed.publish(), { cgroup: 18, pod_ip: 3, host: 1, none: 2 })
})

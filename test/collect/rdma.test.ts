import { spawnSync } from 'node:child_process'
import { mkdirSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { RdmaCollector } from '../../src/collect/rdma.ts'
import { until } from '../harness/child.ts'

type Tree = Readonly<Record<string, string | number>>

/** Devices as sysfs has them: links in the class's folder. */
function sysfs(t: Test, files: Tree): string {
  const top = t.testdir({})
  const root = join(top, 'class')
  mkdirSync(root)
  for (const [path, content] of Object.entries(files)) {
    const file = join(top, 'devices', path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, `${content}\n`)
  }
  for (const device of new Set(Object.keys(files).map((path) => path.split('/')[0] ?? ''))) {
    symlinkSync(join(top, 'devices', device), join(root, device))
  }
  return root
}

/** One port of an mlx5 in RoCE, with some of its counters. */
const MLX5: Tree = {
  'mlx5_0/ports/1/counters/port_xmit_data': 25,
  'mlx5_0/ports/1/counters/port_rcv_data': 50,
  'mlx5_0/ports/1/counters/port_xmit_packets': 7,
  'mlx5_0/ports/1/counters/port_rcv_packets': 8,
  'mlx5_0/ports/1/counters/port_xmit_wait': 9,
  'mlx5_0/ports/1/counters/port_rcv_errors': 1,
  'mlx5_0/ports/1/counters/VL15_dropped': 0,
  'mlx5_0/ports/1/hw_counters/out_of_sequence': 10,
  'mlx5_0/ports/1/hw_counters/packet_seq_err': 11,
  'mlx5_0/ports/1/hw_counters/local_ack_timeout_err': 12,
  'mlx5_0/ports/1/hw_counters/rnr_nak_retry_err': 13,
  'mlx5_0/ports/1/hw_counters/np_cnp_sent': 14,
  'mlx5_0/ports/1/hw_counters/np_ecn_marked_roce_packets': 15,
  'mlx5_0/ports/1/hw_counters/roce_adp_retrans': 16,
  'mlx5_0/ports/1/hw_counters/out_of_buffer': 17,
  'mlx5_0/ports/1/hw_counters/duplicate_request': 18,
  'mlx5_0/ports/1/hw_counters/rx_read_requests': 19,
  'mlx5_0/ports/1/hw_counters/lifespan': 10,
}

t.test('words become bytes, congestion and retransmission keep their names, the rest stays away', async (t) => {
  const root = sysfs(t, MLX5)
  symlinkSync('../../../0000:3b:00.2', join(root, 'mlx5_0', 'device'))
  const collected = await new RdmaCollector({ root }).collect()
  t.equal(collected?.unreadable, 0)
  t.equal(collected?.ports.length, 1)
  const { counters, ...port } = collected?.ports[0] ?? { counters: new Map() }
  t.strictSame(port, {
    device: 'mlx5_0',
    port: '1',
    parent: '0000:3b:00.2',
    egressBytes: 100,
    ingressBytes: 200,
    egressPackets: 7,
    ingressPackets: 8,
  })
  t.strictSame(
    new Map([...counters].sort()),
    new Map([
      ['duplicate_request', 18],
      ['local_ack_timeout_err', 12],
      ['np_cnp_sent', 14],
      ['np_ecn_marked_roce_packets', 15],
      ['out_of_buffer', 17],
      ['out_of_sequence', 10],
      ['packet_seq_err', 11],
      ['port_xmit_wait', 9],
      ['rnr_nak_retry_err', 13],
      ['roce_adp_retrans', 16],
    ]),
  )
})

t.test('a device without the common counters tells bytes by its own; what says how it is now is no counter', async (t) => {
  const root = sysfs(t, {
    'rdmap0/ports/1/hw_counters/tx_bytes': 1000,
    'rdmap0/ports/1/hw_counters/rx_bytes': 2000,
    'rdmap0/ports/1/hw_counters/tx_pkts': 3,
    'rdmap0/ports/1/hw_counters/rx_pkts': 4,
    'rdmap0/ports/1/hw_counters/retrans_bytes': 5,
    'rdmap0/ports/1/hw_counters/num_qps_congested': 6,
  })
  t.strictSame((await new RdmaCollector({ root }).collect())?.ports, [
    {
      device: 'rdmap0',
      parent: '',
      port: '1',
      egressBytes: 1000,
      ingressBytes: 2000,
      egressPackets: 3,
      ingressPackets: 4,
      counters: new Map([['retrans_bytes', 5]]),
    },
  ])
})

t.test('what cannot be read is left out and counted, and costs nothing else', async (t) => {
  const root = sysfs(t, {
    'mlx5_0/ports/1/counters/port_xmit_data': 'N/A (no PMA)',
    'mlx5_0/ports/1/counters/port_rcv_data': 5,
    'mlx5_0/ports/1/counters/port_xmit_wait': -1,
    'mlx5_0/ports/1/hw_counters/np_cnp_sent/is/a/folder': 1,
    'mlx5_1/ports/1/hw_counters/np_cnp_sent': 2,
    'mlx5_1/ports/2/hw_counters/np_cnp_sent': 3,
    'mlx5_2/fw_ver': '1.2.3',
  })
  const collected = await new RdmaCollector({ root }).collect()
  t.strictSame(collected, {
    ports: [
      { device: 'mlx5_0', port: '1', parent: '', ingressBytes: 20, counters: new Map() },
      { device: 'mlx5_1', port: '1', parent: '', counters: new Map([['np_cnp_sent', 2]]) },
      { device: 'mlx5_1', port: '2', parent: '', counters: new Map([['np_cnp_sent', 3]]) },
    ],
    unreadable: 3,
  })
})

t.test('a host without RDMA has nothing to tell', async (t) => {
  t.equal(await new RdmaCollector({ root: '/nonexistent' }).collect(), undefined)
  t.equal(await new RdmaCollector({ root: t.testdir({}) }).collect(), undefined)
})

t.test('no port has more counters than anybody reads, nor a host more ports', async (t) => {
  const counters = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`a/ports/1/hw_counters/cnp_${index}`, index]))
  const ports = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`b/ports/${index}/hw_counters/cnp`, index]))
  const collected = await new RdmaCollector({ root: sysfs(t, { ...counters, ...ports }) }).collect()
  t.equal(collected?.ports.length, 256)
  t.equal(collected?.ports[0]?.counters.size, 64)
})

t.test('a device that hangs is not waited for twice, and files are read all the same', async (t) => {
  const root = sysfs(t, { 'mlx5_0/ports/1/counters/port_xmit_data': 1, 'mlx5_0/ports/1/hw_counters/cnp': 1 })
  const pipe = join(root, 'mlx5_0/ports/1/hw_counters/rnr_hangs')
  t.equal(spawnSync('mkfifo', [pipe]).status, 0)
  const collector = new RdmaCollector({ root, limitMs: 200 })
  await t.rejects(collector.collect(), /no end within 200 ms/)
  await t.rejects(collector.collect(), /has not ended/)
  t.match(await readFile('/proc/self/stat', 'latin1'), String(process.pid))
  writeFileSync(pipe, '5\n')
  unlinkSync(pipe)
  await until('the reading to end', () =>
    collector.collect().then(
      () => true,
      () => false,
    ),
  )
})

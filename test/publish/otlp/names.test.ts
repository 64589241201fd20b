import t from 'tap'
import { ALL_METRICS } from '../../../src/metrics.ts'
import { attributeOf, instrumentOf } from '../../../src/publish/otlp/names.ts'

t.test("names and units are the contract's", async (t) => {
  for (const [name, type, unit, wanted, wantedUnit] of [
    ['orb8_flow_bytes_total', 'counter', 'By', 'orb8.flow.bytes', 'By'],
    ['orb8_flow_packets_total', 'counter', '{packet}', 'orb8.flow.packets', '{packet}'],
    ['orb8_tcp_rtt_seconds', 'histogram', 's', 'orb8.tcp.rtt', 's'],
    ['orb8_gpu_utilization_ratio', 'gauge', '1', 'orb8.gpu.utilization', '1'],
    ['orb8_gpu_temperature_celsius', 'gauge', 'Cel', 'orb8.gpu.temperature', 'Cel'],
    ['orb8_gpu_energy_joules_total', 'counter', 'J', 'orb8.gpu.energy', 'J'],
    ['orb8_gpu_clock_hertz', 'gauge', 'Hz', 'orb8.gpu.clock', 'Hz'],
    ['orb8_gpu_pcie_bytes_per_second', 'gauge', 'By/s', 'orb8.gpu.pcie.bytes', 'By/s'],
    ['orb8_bpf_program_run_seconds_total', 'counter', 's', 'orb8.bpf.program.run', 's'],
    ['process_cpu_seconds_total', 'counter', '', 'process.cpu', 's'],
    ['process_resident_memory_bytes', 'gauge', '', 'process.resident.memory.bytes', 'By'],
    ['nodejs_eventloop_lag_p99_seconds', 'gauge', '', 'nodejs.eventloop.lag.p99', 's'],
  ] as const)
    t.strictSame(instrumentOf({ name, type, unit }), { name: wanted, unit: wantedUnit }, name)
})

t.test('no two metrics share a name', async (t) => {
  const names = ALL_METRICS.map((metric) => instrumentOf(metric).name)
  t.same(
    names.filter((name, index) => names.indexOf(name) !== index),
    [],
  )
  for (const name of names) t.match(name, /^orb8(\.[a-z0-9]+)+$/)
})

t.test('labels become attributes, empty ones none', async (t) => {
  t.strictSame(attributeOf('namespace', 'shop'), ['k8s.namespace.name', 'shop'])
  t.strictSame(attributeOf('direction', 'egress'), ['network.io.direction', 'transmit'])
  t.strictSame(attributeOf('direction', 'ingress'), ['network.io.direction', 'receive'])
  t.strictSame(attributeOf('port', '443'), ['server.port', 443])
  t.strictSame(attributeOf('program', 'orb8_walk'), ['orb8.program', 'orb8_walk'])
  t.strictSame(attributeOf('gpu_uuid', 'GPU-1'), ['orb8.gpu.uuid', 'GPU-1'])
  t.equal(attributeOf('pod', ''), undefined)
  t.strictSame(attributeOf('port', '1', 'orb8_rdma_bytes_total'), ['orb8.rdma.port', 1], 'no server')
  t.strictSame(attributeOf('direction', 'egress', 'orb8_rdma_bytes_total'), ['network.io.direction', 'transmit'])
})

t.test('no attribute is named like the beginning of another', async (t) => {
  const names = ALL_METRICS.flatMap(({ name, labels }) => labels.map((label) => attributeOf(label, '1', name)?.[0] ?? ''))
  for (const name of new Set(names))
    t.notOk(
      names.find((other) => other.startsWith(`${name}.`)),
      name,
    )
})

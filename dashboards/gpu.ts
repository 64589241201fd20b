// GPUs beside the network of the pods that hold them: is a GPU idle because its pod waits?
import { dashboard, UID } from './frame.ts'
import { series, stat, table, UNIT } from './panels.ts'
import { inPod, inWorkload, WINDOW } from './variables.ts'

const POD = 'cluster, namespace, pod'
const DEVICE = '{{node}} GPU {{gpu}} {{mig_profile}} {{namespace}}/{{pod}}'

/** Every device and MIG instance has its memory; under MIG none has a utilisation. */
const held = `count by (${POD}) (orb8_gpu_memory_total_bytes{${inPod('pod!=""')}})`
const used = `avg by (${POD}) (orb8_gpu_utilization_ratio{${inPod('pod!=""')}})`
const moved = (...more: string[]): string =>
  `sum by (${POD}) (rate(orb8_container_network_bytes_total{${inPod('pod!=""', 'peer_kind!="loopback"', ...more)}}[${WINDOW}]))`
const ofHolders = (expr: string): string => `${expr} and on (${POD}) ${held}`
const device = (metric: string, legend = DEVICE) => ({ expr: `${metric}{${inPod()}}`, legend })

export const gpu = dashboard({
  uid: UID.gpu,
  title: 'GPU and network',
  description: 'GPUs beside the network of the pods that hold them. A device that several pods share has no pod: see the last row.',
  variables: ['cluster', 'namespace', 'workload', 'pod'],
  rows: [
    {
      title: 'Now',
      panels: [
        stat('GPUs held', UNIT.count, { expr: `sum(${held})` }, { span: 6 }),
        stat('Their utilisation', UNIT.ratio, { expr: `avg(orb8_gpu_utilization_ratio{${inPod('pod!=""')}})` }, { span: 6, decimals: 1 }),
        stat('Network of their pods', UNIT.bytesPerSecond, { expr: `sum(${ofHolders(moved())})` }, { span: 6 }),
        stat(
          'GPUs with an XID',
          UNIT.count,
          { expr: `sum(orb8_gpu_last_xid{${inWorkload()}} != bool 0)` },
          { span: 6, limits: [1, 2], description: 'Their driver reports an error; which one, see below.' },
        ),
      ],
    },
    {
      title: 'Utilisation against network',
      panels: [
        series('GPU utilisation, by pod', UNIT.ratio, [{ expr: used, legend: '{{namespace}}/{{pod}}' }], { max: 1 }),
        series('Network of the same pods', UNIT.bytesPerSecond, [
          { expr: ofHolders(moved('direction="ingress"')), legend: '{{namespace}}/{{pod}} received' },
          { expr: ofHolders(moved('direction="egress"')), legend: '{{namespace}}/{{pod}} sent' },
        ]),
        series('Bytes per GPU-second', UNIT.bytes, [{ expr: `${moved()} / on (${POD}) ${held}`, legend: '{{namespace}}/{{pod}}' }], {
          span: 8,
          description: 'Network bytes of the pod for each second of each GPU that it holds.',
        }),
        series(
          'Bytes per busy GPU-second',
          UNIT.bytes,
          [
            {
              expr: `${moved()} / on (${POD}) (sum by (${POD}) (orb8_gpu_utilization_ratio{${inPod('pod!=""')}}) > 0)`,
              legend: '{{namespace}}/{{pod}}',
            },
          ],
          { span: 8, description: 'The same for each second in which they worked: it rises where the GPU waits for data.' },
        ),
        series(
          'Idle while the network moves',
          UNIT.ratio,
          [{ expr: `(1 - ${used}) and on (${POD}) (${moved()} > 1e6)`, legend: '{{namespace}}/{{pod}}' }],
          { span: 8, max: 1, description: 'The idle share of the GPUs of pods that move more than 1 MB a second.' },
        ),
        table(
          'Pods with GPUs',
          [
            { refId: 'A', expr: used },
            { refId: 'B', expr: held },
            { refId: 'C', expr: ofHolders(moved('direction="ingress"')) },
            { refId: 'D', expr: ofHolders(moved('direction="egress"')) },
          ],
          {
            span: 24,
            height: 8,
            labels: ['cluster', 'namespace', 'pod'],
            columns: [
              { refId: 'A', title: 'utilisation', unit: UNIT.ratio },
              { refId: 'B', title: 'GPUs', unit: UNIT.count },
              { refId: 'C', title: 'received', unit: UNIT.bytesPerSecond },
              { refId: 'D', title: 'sent', unit: UNIT.bytesPerSecond },
            ],
            link: { title: 'Its network', uid: UID.pod, fields: { namespace: 'namespace', pod: 'pod' } },
          },
        ),
        series('Mean round-trip time of workloads with GPUs', UNIT.seconds, [
          {
            expr: `sum by (cluster, namespace, workload, peer_kind) (rate(orb8_tcp_rtt_seconds_sum{${inWorkload()}}[${WINDOW}]))
/ sum by (cluster, namespace, workload, peer_kind) (rate(orb8_tcp_rtt_seconds_count{${inWorkload()}}[${WINDOW}]))
and on (cluster, namespace, workload) orb8_gpu_memory_total_bytes{${inPod('pod!=""')}}`,
            legend: '{{namespace}}/{{workload}} to {{peer_kind}}',
          },
        ]),
        series(
          'RDMA',
          UNIT.bytesPerSecond,
          [
            {
              expr: `sum by (cluster, namespace, pod, device, direction) (rate(orb8_rdma_bytes_total{${inPod()}}[${WINDOW}]))`,
              legend: '{{namespace}}/{{pod}} {{device}} {{direction}}',
            },
          ],
          { description: 'Passes the sockets by: in none of the other panels.' },
        ),
      ],
    },
    {
      title: 'Devices',
      panels: [
        series('Memory used', UNIT.bytes, [device('orb8_gpu_memory_used_bytes')], { span: 8 }),
        series(
          'Memory used, of what there is',
          UNIT.ratio,
          [{ expr: `orb8_gpu_memory_used_bytes{${inPod()}} / orb8_gpu_memory_total_bytes{${inPod()}}`, legend: DEVICE }],
          { span: 8, max: 1 },
        ),
        series('PCIe', UNIT.bytesPerSecond, [device('orb8_gpu_pcie_bytes_per_second', `${DEVICE} {{direction}}`)], { span: 8 }),
        series('Multiprocessors with work', UNIT.ratio, [device('orb8_gpu_sm_active_ratio')], { span: 8, max: 1 }),
        series('Tensor cores active', UNIT.ratio, [device('orb8_gpu_tensor_active_ratio')], { span: 8, max: 1 }),
        series('Memory active', UNIT.ratio, [device('orb8_gpu_dram_active_ratio')], { span: 8, max: 1 }),
        series('Power', UNIT.watts, [device('orb8_gpu_power_watts')], { span: 6 }),
        series(
          'Power, by energy used',
          UNIT.watts,
          [{ expr: `sum by (${POD}) (rate(orb8_gpu_energy_joules_total{${inPod()}}[${WINDOW}]))`, legend: '{{namespace}}/{{pod}}' }],
          { span: 6 },
        ),
        series('Temperature', UNIT.celsius, [device('orb8_gpu_temperature_celsius')], { span: 6 }),
        series('Last XID', UNIT.count, [device('orb8_gpu_last_xid')], { span: 6, description: '0: none.' }),
      ],
    },
    {
      title: 'By container, also where a GPU is shared',
      panels: [
        series(
          'Utilisation',
          UNIT.ratio,
          [device('orb8_gpu_process_utilization_ratio', '{{namespace}}/{{pod}}/{{container}} GPU {{gpu}}')],
          { max: 1 },
        ),
        series('Memory used', UNIT.bytes, [
          device('orb8_gpu_process_memory_used_bytes', '{{namespace}}/{{pod}}/{{container}} GPU {{gpu}}'),
        ]),
      ],
    },
  ],
})

// Every metric, defined once, as data: exposition, OTLP, the README's table and the dashboards' check read it here.
import type { Metric, MetricType } from './model.ts'

const metric = (name: string, type: MetricType, unit: string, labels: readonly string[], help: string): Metric => ({
  name,
  type,
  unit,
  labels,
  help,
})

/** Written on every metric of flows, also empty, so that `honor_labels` leaves nothing to fill in. */
export const ALWAYS_WRITTEN = ['namespace', 'pod', 'container'] as const

/** Labels of flow and connection metrics without `direction`, in the order in which they are written. */
export const FLOW_LABELS = [
  ...ALWAYS_WRITTEN,
  'workload',
  'workload_kind',
  'role',
  'protocol',
  'port',
  'peer_kind',
  'peer_namespace',
  'peer_workload',
  'peer_zone',
] as const
export type FlowLabelName = (typeof FLOW_LABELS)[number] | 'direction'

const OWNER_LABELS = [...ALWAYS_WRITTEN, 'workload', 'workload_kind'] as const
const CONTAINER_LABELS = [...OWNER_LABELS, 'direction', 'protocol', 'peer_kind'] as const
/** Of histograms: without peers, `pod` and `container` always empty. */
export const TIME_LABELS = [...OWNER_LABELS, 'role', 'peer_kind'] as const

/** Why an outgoing attempt never was established, in the order of the kernel's `struct health`. */
export const CONNECT_FAILURES = ['refused', 'timeout', 'unreachable', 'reset', 'aborted', 'other'] as const
export type ConnectFailure = (typeof CONNECT_FAILURES)[number]

/** Upper bounds of the buckets of times, s: 16 us x 4^k; what is above them all has a bucket of its own. */
export const TIME_BUCKETS = [16e-6, 64e-6, 256e-6, 1024e-6, 4096e-6, 16384e-6, 65536e-6, 0.262144, 1.048576, 4.194304, 16.777216] as const

export const FLOW_BYTES = metric(
  'orb8_flow_bytes_total',
  'counter',
  'By',
  [...FLOW_LABELS, 'direction'],
  'Transport payload bytes: TCP what was sent, once, and received; UDP datagrams; ICMP of raw and ping sockets.',
)
export const FLOW_PACKETS = metric(
  'orb8_flow_packets_total',
  'counter',
  '{packet}',
  [...FLOW_LABELS, 'direction'],
  'TCP segments with ACKs and retransmissions; UDP datagrams as on the wire.',
)
export const CONTAINER_BYTES = metric(
  'orb8_container_network_bytes_total',
  'counter',
  'By',
  CONTAINER_LABELS,
  'Transport payload bytes per container, without peers; never subject to the series limit.',
)
export const CONTAINER_PACKETS = metric(
  'orb8_container_network_packets_total',
  'counter',
  '{packet}',
  CONTAINER_LABELS,
  'Packets per container, without peers; never subject to the series limit.',
)
export const ACTIVE_FLOWS = metric('orb8_active_flows', 'gauge', '{connection}', FLOW_LABELS, 'TCP connections open now.')
export const CONNECTIONS_OPENED = metric(
  'orb8_tcp_connections_opened_total',
  'counter',
  '{connection}',
  FLOW_LABELS,
  'TCP connections established since the start.',
)
export const CONNECTIONS_CLOSED = metric(
  'orb8_tcp_connections_closed_total',
  'counter',
  '{connection}',
  FLOW_LABELS,
  'TCP connections closed, also those that were open before the start.',
)
export const RETRANSMITTED = metric(
  'orb8_tcp_retransmitted_segments_total',
  'counter',
  '{segment}',
  FLOW_LABELS,
  'TCP segments sent again.',
)

export const CONNECT_FAILED = metric(
  'orb8_tcp_connect_failures_total',
  'counter',
  '{connection}',
  [...FLOW_LABELS, 'reason'],
  'Outgoing TCP attempts that never were established; aborted: closed by their owner while still connecting.',
)
export const RTT = metric(
  'orb8_tcp_rtt_seconds',
  'histogram',
  's',
  TIME_LABELS,
  'Smoothed round-trip time of TCP connections, sampled at each collection and at close.',
)
export const CONNECT_TIME = metric(
  'orb8_tcp_connect_seconds',
  'histogram',
  's',
  TIME_LABELS,
  'Time from the first SYN to established, at the client.',
)
export const LISTEN_OVERFLOWS = metric(
  'orb8_tcp_listen_overflows_total',
  'counter',
  '{connection}',
  OWNER_LABELS,
  'Connections that a listener turned away because its queue was full; never subject to the series limit.',
)
export const RECEIVE_DROPS = metric(
  'orb8_udp_receive_drops_total',
  'counter',
  '{packet}',
  OWNER_LABELS,
  'UDP datagrams dropped because the receive buffer of their socket was full; never subject to the series limit.',
)

/** Published from the store's tables, in this order. */
export const FLOW_METRICS = [FLOW_BYTES, FLOW_PACKETS, ACTIVE_FLOWS, CONNECTIONS_OPENED, CONNECTIONS_CLOSED, RETRANSMITTED] as const
export const CONTAINER_METRICS = [CONTAINER_BYTES, CONTAINER_PACKETS] as const
export const HEALTH_METRICS = [CONNECT_FAILED, RTT, CONNECT_TIME, LISTEN_OVERFLOWS, RECEIVE_DROPS] as const

export const GPU_LABELS = [...OWNER_LABELS, 'gpu_uuid', 'gpu', 'gpu_model', 'mig_profile', 'mig_instance', 'sharing'] as const
const GPU_PROCESS_LABELS = [...OWNER_LABELS, 'gpu_uuid', 'gpu'] as const
const gpu = (name: string, unit: string, help: string): Metric => metric(`orb8_gpu_${name}`, 'gauge', unit, GPU_LABELS, help)

/** A device's metric is published once: a MIG instance's own beside what only its whole GPU has. */
export const GPU = {
  utilization: gpu('utilization_ratio', '1', 'Share of the last second or less in which any kernel ran.'),
  memoryUsed: gpu('memory_used_bytes', 'By', "Memory in use; under MIG each instance's, and none of the whole GPU."),
  memoryTotal: gpu('memory_total_bytes', 'By', "Memory there is; under MIG each instance's, and none of the whole GPU."),
  power: gpu('power_watts', 'W', 'Power that the GPU draws.'),
  temperature: gpu('temperature_celsius', 'Cel', "Temperature of the GPU's core."),
  energy: metric(
    'orb8_gpu_energy_joules_total',
    'counter',
    'J',
    GPU_LABELS,
    'Energy that the GPU used since its driver was loaded, whoever held it; goes on over a reload of the driver.',
  ),
  smActive: gpu('sm_active_ratio', '1', 'Share of cycles in which a multiprocessor had work, averaged over all of them.'),
  tensorActive: gpu('tensor_active_ratio', '1', 'Share of cycles in which the tensor cores worked.'),
  dramActive: gpu('dram_active_ratio', '1', "Share of cycles in which the GPU's memory sent or received."),
  pcie: metric(
    'orb8_gpu_pcie_bytes_per_second',
    'gauge',
    'By/s',
    [...GPU_LABELS, 'direction'],
    'PCIe throughput: egress is sent by the GPU, ingress received by it.',
  ),
  clock: metric('orb8_gpu_clock_hertz', 'gauge', 'Hz', [...GPU_LABELS, 'clock'], 'Clock of the multiprocessors (sm) and the memory.'),
  lastXid: gpu('last_xid', '{xid}', 'Number of the last error (XID) that the driver told; 0 for none.'),
} as const

/** Per container from its processes, also where a GPU is shared. */
export const GPU_PROCESS = {
  utilization: metric(
    'orb8_gpu_process_utilization_ratio',
    'gauge',
    '1',
    GPU_PROCESS_LABELS,
    "Share of the last 15 s in which the container's kernels ran on the GPU.",
  ),
  memoryUsed: metric(
    'orb8_gpu_process_memory_used_bytes',
    'gauge',
    'By',
    GPU_PROCESS_LABELS,
    "GPU memory that the container's processes hold.",
  ),
} as const

const RESOURCE_LABELS = [...ALWAYS_WRITTEN, 'resource'] as const

/** What kubelet hands out, by the resource's name; where a device is shared each share counts. */
export const GPU_RESOURCE = {
  allocatable: metric(
    'orb8_gpu_allocatable_devices',
    'gauge',
    '{device}',
    RESOURCE_LABELS,
    'GPUs, MIG instances or shares of them that kubelet can hand out.',
  ),
  allocated: metric(
    'orb8_gpu_allocated_devices',
    'gauge',
    '{device}',
    RESOURCE_LABELS,
    'GPUs, MIG instances or shares of them that kubelet has handed out to containers.',
  ),
} as const

const RDMA_LABELS = [...OWNER_LABELS, 'device', 'port'] as const
const rdma = (name: string, unit: string, label: string, help: string): Metric =>
  metric(`orb8_rdma_${name}`, 'counter', unit, [...RDMA_LABELS, label], help)

export const RDMA = {
  bytes: rdma('bytes_total', 'By', 'direction', 'Bytes through the port of the RDMA device: egress sent, ingress received.'),
  packets: rdma('packets_total', '{packet}', 'direction', 'Packets through the port of the RDMA device.'),
  events: rdma(
    'events_total',
    '{event}',
    'counter',
    "Congestion and retransmission on the port of the RDMA device, by the kernel's names for its counters.",
  ),
} as const

export const DEVICE_METRICS: readonly Metric[] = [
  ...Object.values(GPU),
  ...Object.values(GPU_PROCESS),
  ...Object.values(GPU_RESOURCE),
  ...Object.values(RDMA),
]

/** The exporter about itself. */
export const SELF = {
  buildInfo: metric('orb8_build_info', 'gauge', '{build}', ['version', 'node_version', 'libbpf_version'], 'Always 1; what runs.'),
  programLoaded: metric(
    'orb8_bpf_program_loaded',
    'gauge',
    '{program}',
    ['program'],
    '1 where the kernel has loaded the program, 0 where it refused to load or attach it. Observers of dials are attached only where something may rewrite these.',
  ),
  loadSeconds: metric('orb8_bpf_load_seconds', 'gauge', 's', [], 'Time from the start of loading to the last program attached.'),
  programRuns: metric(
    'orb8_bpf_program_runs_total',
    'counter',
    '{run}',
    ['program'],
    'Runs of the kernel program, where kernel.bpf_stats_enabled is 1.',
  ),
  programRunSeconds: metric('orb8_bpf_program_run_seconds_total', 'counter', 's', ['program'], 'CPU time of these runs.'),
  mapEntries: metric('orb8_bpf_map_entries', 'gauge', '{entry}', ['map'], 'Entries in use at the last collection.'),
  mapCapacity: metric('orb8_bpf_map_capacity', 'gauge', '{entry}', ['map'], 'Entries that fit.'),
  mapMemory: metric('orb8_bpf_map_memory_bytes', 'gauge', 'By', ['map'], 'Kernel memory of the map.'),
  flowOverflow: metric(
    'orb8_flow_overflow_total',
    'counter',
    '{flow}',
    [],
    'Times that a flow found no room in the kernel map and was counted under its container with peer_kind="overflow".',
  ),
  flowOverflowBytes: metric('orb8_flow_overflow_bytes_total', 'counter', 'By', [], 'Bytes counted so.'),
  socketsTracked: metric('orb8_sockets_tracked', 'gauge', '{socket}', [], 'TCP sockets watched now.'),
  socketsUntracked: metric(
    'orb8_sockets_untracked_total',
    'counter',
    '{socket}',
    ['reason'],
    'TCP sockets that could not be watched: ORB8_SOCKETS reached (limit), or no kernel memory (memory).',
  ),
  series: metric(
    'orb8_series',
    'gauge',
    '{series}',
    [],
    'Sample lines of flows, connect failures and histograms published, out of ORB8_SERIES_LIMIT.',
  ),
  seriesOverflow: metric(
    'orb8_series_overflow_total',
    'counter',
    '{flow}',
    [],
    'Times that a flow was added to peer_kind="other" because a new series would have passed ORB8_SERIES_LIMIT.',
  ),
  attributedBytes: metric(
    'orb8_attributed_bytes_total',
    'counter',
    'By',
    ['method'],
    'Bytes by how their owner was found: cgroup, pod_ip, host (outside any pod), none.',
  ),
  readerGap: metric(
    'orb8_reader_gap_seconds_total',
    'counter',
    's',
    [],
    'Time in which the kernel programs counted nothing, because nobody had read for 15 minutes.',
  ),
  collectionSeconds: metric('orb8_collection_duration_seconds', 'histogram', 's', ['collector'], 'Time of one collection.'),
  stageSeconds: metric(
    'orb8_collection_stage_duration_seconds',
    'histogram',
    's',
    ['stage'],
    'Time of one stage of a collection of flows: walk, drain, resolve, commit, snapshot.',
  ),
  collectorUp: metric('orb8_collector_up', 'gauge', '{collector}', ['collector'], '1 where the last collection worked.'),
  collectorErrors: metric('orb8_collector_errors_total', 'counter', '{error}', ['collector', 'reason'], 'Collections that failed.'),
  k8sWatchConnected: metric(
    'orb8_k8s_watch_connected',
    'gauge',
    '{watch}',
    ['resource'],
    '1 while a watch at the Kubernetes API server is open: of pods (of this node), peers (all pods), services, nodes, resourceslices (where claims hold GPUs).',
  ),
  k8sReconnections: metric(
    'orb8_k8s_watch_reconnections_total',
    'counter',
    '{watch}',
    ['resource'],
    'Watches begun after the first; a server ends each after 5 to 10 minutes.',
  ),
  k8sLastSync: metric(
    'orb8_k8s_last_sync_timestamp_seconds',
    'gauge',
    's',
    ['resource'],
    'When what is known was last as the server knew it: a list, a change or a bookmark; some minutes old where nothing changes.',
  ),
  k8sPodsTracked: metric('orb8_k8s_pods_tracked', 'gauge', '{pod}', [], 'Pods in the index, by the Kubernetes API server.'),
  k8sSkipped: metric(
    'orb8_k8s_skipped_total',
    'counter',
    '{object}',
    ['resource', 'reason'],
    'What the API server sent and was passed over: garbage, malformed (fields are missing), too_large.',
  ),
  otlpExports: metric(
    'orb8_otlp_exports_total',
    'counter',
    '{export}',
    ['result'],
    'OTLP exports, with their retries: success where the collector took all points, else failure.',
  ),
} as const

/** Counters of SELF that go on over a restart where the series do: the kernel or the ledger keeps them. */
export const KEPT_COUNTERS: ReadonlySet<string> = new Set(
  [SELF.flowOverflow, SELF.flowOverflowBytes, SELF.socketsUntracked, SELF.seriesOverflow, SELF.attributedBytes, SELF.readerGap].map(
    ({ name }) => name,
  ),
)

/** All of them, in the order of the README's table. */
export const ALL_METRICS: readonly Metric[] = [
  ...FLOW_METRICS,
  ...CONTAINER_METRICS,
  ...HEALTH_METRICS,
  ...DEVICE_METRICS,
  ...Object.values(SELF),
]

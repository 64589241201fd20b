// The words that all stages share. Types and the order of columns only: no code, no knowledge of any stage.

/** 16 bytes as a latin1 string, IPv4 as ::ffff:a.b.c.d. See address.ts for text and numbers. */
export type Address = string & { readonly __brand: 'Address' }

/** Who opened the connection: the owner of this socket (`client`), the other end (`server`), or nobody can tell. */
export type Role = 'client' | 'server' | 'unknown'

/**
 * What the kernel says of the remote end.
 * `address`: `remote` holds it whole. `loopback`: the socket's own address. `external`: public and in no learnt prefix,
 * `remote` is all zeroes. `network`: inside the named network `network` (an index into Config.cidrs), `remote` is zeroes.
 * `none`: of the socket alone, `local` and `remote` are zeroes. `overflow`: the flow map had no room, only cgroup and protocol are
 * known. `node_overflow`: not even that had.
 */
export type PeerClass = 'address' | 'loopback' | 'external' | 'network' | 'none' | 'overflow' | 'node_overflow'

export interface FlowKey {
  /** The key's bytes in the kernel, latin1: equal keys have equal ids. */
  readonly id: string
  /** Inode of the socket's cgroup v2 directory; 0 where unknown. */
  readonly cgroup: bigint
  readonly local: Address
  readonly remote: Address
  readonly peer: PeerClass
  readonly network: number
  /** The server's port; 0 where there is none. */
  readonly port: number
  /** IP protocol number. */
  readonly protocol: number
  readonly role: Role
}

/** What a flow did since it was last drained. Bytes may be negative by a few: see docs/decisions/0001. */
export interface FlowCounts {
  readonly sentBytes: number
  readonly receivedBytes: number
  readonly sentPackets: number
  readonly receivedPackets: number
  readonly opened: number
  /** Connections that were open before the first start. */
  readonly adopted: number
  readonly closed: number
  readonly retransmitted: number
}

/** How often a time fell into each bucket (not cumulative; TIME_BUCKETS of metrics.ts, then the rest: 12 of them), and the sum of all, s. */
export interface TimeCounts {
  readonly buckets: readonly number[]
  readonly sum: number
}

/** What was seen of a flow's health since it was last drained. */
export interface HealthCounts {
  /** In the order of CONNECT_FAILURES of metrics.ts. */
  readonly failed: readonly number[]
  readonly rtt: TimeCounts
  readonly connect: TimeCounts
  /** Connections that a listener turned away for want of room in its queues. */
  readonly listenOverflows: number
  /** Datagrams that found the socket's receive buffer full. */
  readonly receiveDrops: number
}

/** The same object whenever the same key is told of, while it is remembered: room for what others found out about the key. */
export interface KeyNote {
  /** What its name stands on. */
  by: unknown
  /** Where what it did is added. */
  where: unknown
  name: unknown
}

/** Raw ids: what collect hands to resolve. */
export interface Flow {
  readonly key: FlowKey
  readonly counts: FlowCounts
  readonly note?: KeyNote
}

export interface FlowHealth {
  readonly key: FlowKey
  readonly health: HealthCounts
  readonly note?: KeyNote
}

/** Whose socket it is, in the contract's words; every field empty where it does not apply. */
export interface Owner {
  readonly namespace: string
  readonly pod: string
  readonly container: string
  readonly workload: string
  readonly workloadKind: string
}

export type PeerKind = 'pod' | 'service' | 'node' | 'external' | 'loopback' | 'unknown' | 'overflow' | 'other' | ''

/** All labels of a flow series but `direction`. One object for one combination while the resolver's answer stands. */
export interface FlowLabels extends Owner {
  readonly role: Role | ''
  readonly protocol: string
  readonly port: string
  readonly peerKind: PeerKind
  readonly peerNamespace: string
  readonly peerWorkload: string
  readonly peerZone: string
}

/** How the owner was found: by the socket's cgroup, by a pod's address, outside any pod, or not at all. */
export type Attribution = 'cgroup' | 'pod_ip' | 'host' | 'none'

/** Names in place of ids: what resolve hands to store. */
export interface ResolvedFlow {
  readonly labels: FlowLabels
  readonly attribution: Attribution
  readonly counts: FlowCounts
}

/** Names in place of ids, of what was seen of a flow's health. */
export interface ResolvedHealth {
  readonly labels: FlowLabels
  readonly attribution: Attribution
  readonly health: HealthCounts
}

export type MetricType = 'counter' | 'gauge' | 'histogram'

/** A metric is data, defined once in metrics.ts. */
export interface Metric {
  readonly name: string
  readonly type: MetricType
  /** UCUM, for OTLP: By, s, {packet}; 1 is a ratio's alone, for others make `_ratio` of it. */
  readonly unit: string
  readonly labels: readonly string[]
  readonly help: string
}

/**
 * Series of several metrics that share one set of labels: a row of the store.
 * `labels[i]` belongs to the snapshot table's `labelNames[i]`.
 */
export interface SeriesRow {
  /** Of this row alone in the process's life, in whichever table: good to cache by. */
  readonly id: number
  readonly labels: readonly string[]
  /** End of the collection before its first, ms since the epoch: its numbers are all of later. */
  readonly startMs: number
}

/** One column of a table: which metric its numbers are samples of, and the labels that it adds to the row's. */
export interface SeriesColumn {
  readonly metric: Metric
  readonly labelName?: string
  readonly labelValue?: string
  /**
   * Of a histogram: the upper bound of what this column counts, above the bound before it (not cumulative), +Infinity the last.
   * Columns of a histogram stand side by side, bounds rising; the one after them, without a bound, is the sum of all that was observed.
   */
  readonly bound?: number
  /** Rows whose protocol is not TCP have no sample here. */
  readonly tcpOnly: boolean
}

/** Rows times columns; `values[row * columns.length + column]`. */
export interface SeriesTable {
  readonly labelNames: readonly string[]
  readonly columns: readonly SeriesColumn[]
  readonly rows: readonly SeriesRow[]
  /** May the row hold TCP (also where protocols are summed or unknown)? Same index as rows. */
  readonly tcp: Uint8Array
  /** May be a getter that copies them when they are first asked for: some milliseconds where there are many. */
  readonly values: Float64Array
}

/** One sample of a metric that has few: its labels in the order of the metric's. */
export interface FamilySample {
  readonly labels: readonly string[]
  readonly value: number
  /** Of a counter: it counts from no earlier than this, ms since the epoch. Of a gauge: any. */
  readonly startMs: number
}

/** A metric with all its samples, for what has some hundred of them at most: devices. Never without samples. */
export interface SampleFamily {
  readonly metric: Metric
  readonly samples: readonly FamilySample[]
}

/** What both publishers read. Never changed once made. */
export interface Snapshot {
  /** End of the collection, ms since the epoch. */
  readonly timeMs: number
  readonly flows: SeriesTable
  readonly containers: SeriesTable
  /** A table each: connect failures, round-trip times, connect times, drops by container. */
  readonly health: readonly SeriesTable[]
  /** Of devices: GPUs, RDMA. */
  readonly families?: readonly SampleFamily[]
}

/** One GPU, or one MIG instance of it. Texts are empty where they do not apply or nobody told. */
export interface GpuDevice {
  /** `GPU-...`; of a MIG instance its GPU's, for that is what all sources agree on. */
  readonly uuid: string
  /** As the driver counts them. */
  readonly index: string
  /** N of /dev/nvidiaN, which some device plugins name devices by. */
  readonly minor: string
  readonly model: string
  /** `1g.10gb` */
  readonly migProfile: string
  /** The GPU instance's number. */
  readonly migInstance: string
  /** `MIG-...`, of each compute instance inside: device plugins hand these out. */
  readonly migUuids: readonly string[]
}

/** How several may be on one device; `none`: nobody holds it, or nobody knows who does. */
export type GpuSharing = 'exclusive' | 'mig' | 'time_slicing' | 'mps' | 'none'

/** What was read of a device, in base units. What its source does not know is not there. */
export interface GpuReadings {
  readonly utilization?: number
  readonly memoryUsedBytes?: number
  readonly memoryTotalBytes?: number
  readonly powerWatts?: number
  readonly temperatureCelsius?: number
  /** Since the driver was loaded: it may fall. */
  readonly energyJoules?: number
  readonly smActive?: number
  readonly tensorActive?: number
  readonly dramActive?: number
  /** Sent by the device, B/s. */
  readonly pcieEgress?: number
  readonly pcieIngress?: number
  /** The last error that the driver told; 0: none since somebody listens. */
  readonly lastXid?: number
  readonly smClockHertz?: number
  readonly memoryClockHertz?: number
}

/** A container that holds a device, as its source names it. */
export interface DeviceHolder {
  readonly namespace: string
  readonly pod: string
  readonly container: string
  /** It holds a share of the device, others may hold the rest. */
  readonly share: boolean
}

/** A device as one source saw it: raw ids, what collect hands to resolve. */
export interface GpuSample {
  readonly device: GpuDevice
  readonly readings: GpuReadings
  /** Whom the source itself knows to hold it; not there where it does not tell. */
  readonly holders?: readonly DeviceHolder[]
}

/** A process on a GPU. */
export interface GpuProcess {
  /** The whole GPU's. */
  readonly uuid: string
  readonly index: string
  readonly migInstance: string
  readonly pid: number
  /** Inode of its cgroup v2 directory; 0 where unknown. */
  readonly cgroup: bigint
  /** Below the cgroup v2 mount, with a leading slash; empty where unknown. */
  readonly cgroupPath: string
  /** It reaches the device through an MPS server. */
  readonly mps: boolean
  readonly memoryBytes?: number
  /** Share of the time in which its kernels ran, averaged over the last collection's window. */
  readonly utilization?: number
}

/** Who holds a device, in the contract's words; an empty owner where nobody does, or several. */
export interface ResolvedGpu extends GpuSample {
  readonly owner: Owner
  readonly sharing: GpuSharing
}

export interface ResolvedGpuProcess extends GpuProcess {
  readonly owner: Owner
}

/** Devices of one resource that kubelet hands out, shares of a device each for one. */
export interface DeviceResource {
  /** As pods ask for it: `nvidia.com/gpu`. */
  readonly resource: string
  /** Undefined where kubelet does not tell. */
  readonly allocatable: number | undefined
  readonly allocated: number
}

/** A port of an RDMA device with its counters as the kernel holds them: they may fall, and wrap. */
export interface RdmaPort {
  readonly device: string
  readonly port: string
  /** What the device is a function of, as sysfs names it: `0000:3b:00.2`; empty where it is none. */
  readonly parent: string
  /** B; what the device does not count is not there. */
  readonly egressBytes?: number
  readonly ingressBytes?: number
  readonly egressPackets?: number
  readonly ingressPackets?: number
  /** Of congestion and retransmission, by the kernel's names. */
  readonly counters: ReadonlyMap<string, number>
}

export interface ResolvedRdmaPort extends RdmaPort {
  readonly owner: Owner
}

/** Go's words for what a server asks of a client's certificate. */
export type ClientAuth =
  | 'NoClientCert'
  | 'RequestClientCert'
  | 'RequireAnyClientCert'
  | 'VerifyClientCertIfGiven'
  | 'RequireAndVerifyClientCert'

/** What the HTTP server encrypts with; PEM, and OpenSSL's words. */
export interface WebTls {
  readonly cert: string
  readonly key: string
  readonly clientCa: string | undefined
  readonly clientAuth: ClientAuth
  /** One of them has to be in the client's certificate, where any are given. */
  readonly allowedSans: readonly string[] | undefined
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
  readonly maxVersion: 'TLSv1.2' | 'TLSv1.3'
  readonly ciphers: string
  readonly honorCipherOrder: boolean
  readonly ecdhCurve: string
}

/** Who may ask the HTTP server, and how: a web configuration file, read and checked. Never changed once made. */
export interface WebRules {
  /** undefined: plain HTTP. */
  readonly tls: WebTls | undefined
  /** On every answer. */
  readonly headers: Readonly<Record<string, string>>
  readonly rateLimit: { readonly intervalMs: number; readonly burst: number } | undefined
  /** User to bcrypt hash; where there are none, nobody is asked. */
  readonly users: ReadonlyMap<string, string>
  /** What the file asks for without effect, a sentence each. */
  readonly warnings: readonly string[]
}

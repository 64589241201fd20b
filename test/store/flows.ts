// What one flow did, made up: a pod that asks a database, unless the test says otherwise.
import type { Attribution, FlowCounts, FlowLabels, HealthCounts, ResolvedFlow, ResolvedHealth, TimeCounts } from '../../src/model.ts'

export const LABELS: FlowLabels = {
  namespace: 'shop',
  pod: 'web-1',
  container: 'nginx',
  workload: 'web',
  workloadKind: 'Deployment',
  role: 'client',
  protocol: 'tcp',
  port: '5432',
  peerKind: 'pod',
  peerNamespace: 'data',
  peerWorkload: 'postgres',
  peerZone: 'z1',
}

export const NOTHING: FlowCounts = {
  sentBytes: 0,
  receivedBytes: 0,
  sentPackets: 0,
  receivedPackets: 0,
  opened: 0,
  adopted: 0,
  closed: 0,
  retransmitted: 0,
}

export function flow(labels: Partial<FlowLabels>, counts: Partial<FlowCounts>, attribution: Attribution = 'cgroup'): ResolvedFlow {
  return { labels: { ...LABELS, ...labels }, attribution, counts: { ...NOTHING, ...counts } }
}

export const NO_TIMES: TimeCounts = { buckets: Array<number>(12).fill(0), sum: 0 }

export const SOUND: HealthCounts = { failed: [0, 0, 0, 0, 0, 0], rtt: NO_TIMES, connect: NO_TIMES, listenOverflows: 0, receiveDrops: 0 }

export function health(labels: Partial<FlowLabels>, counts: Partial<HealthCounts>): ResolvedHealth {
  return { labels: { ...LABELS, ...labels }, attribution: 'cgroup', health: { ...SOUND, ...counts } }
}

/** One time for each of `seconds`, in bucket `bucket`. */
export function times(bucket: number, ...seconds: number[]): TimeCounts {
  return { buckets: NO_TIMES.buckets.with(bucket, seconds.length), sum: seconds.reduce((sum, one) => sum + one, 0) }
}

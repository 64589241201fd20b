// What the exporter says of its lists and watches at the Kubernetes API server. Knows nothing of what is followed, nor how it is written.
import { Counter, Gauge, type Registry } from 'prom-client'
import { SELF } from '../metrics.ts'
import type { Metric } from '../model.ts'

export interface ClusterNumbers {
  /** Is a watch of the resource open? */
  connected(resource: string, is: boolean): void
  /** A watch was begun that is not the first. */
  reconnected(resource: string): void
  /** What is known of it is what the server knows. ms since the epoch. */
  synced(resource: string, atMs: number): void
  /** An object or event was passed over; `reason` is one of few words. */
  skipped(resource: string, reason: string): void
  /** It is not to be followed any longer. */
  left(resource: string): void
  podsTracked(pods: number): void
}

export function createClusterNumbers(registry: Registry): ClusterNumbers {
  const registers = [registry]
  const definition = ({ name, help, labels }: Metric) => ({ name, help, labelNames: [...labels], registers })
  const connected = new Gauge(definition(SELF.k8sWatchConnected))
  const reconnections = new Counter(definition(SELF.k8sReconnections))
  const lastSync = new Gauge(definition(SELF.k8sLastSync))
  const podsTracked = new Gauge(definition(SELF.k8sPodsTracked))
  const skipped = new Counter(definition(SELF.k8sSkipped))
  return {
    connected(resource, is) {
      connected.set({ resource }, is ? 1 : 0)
      reconnections.inc({ resource }, 0)
    },
    reconnected: (resource) => reconnections.inc({ resource }),
    synced: (resource, atMs) => lastSync.set({ resource }, atMs / 1000),
    skipped: (resource, reason) => skipped.inc({ resource, reason }),
    left(resource) {
      connected.remove({ resource })
      lastSync.remove({ resource })
    },
    podsTracked: (pods) => podsTracked.set(pods),
  }
}

// What a request to a cluster's API server needs to be let in. Knows nothing of where it is kept or how it is sent.

export interface Tls {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  /** False: any certificate will do. */
  readonly rejectUnauthorized?: boolean
  readonly servername?: string
}

export interface Access {
  /** Scheme, host, port and, where there is one, a path that stands before every other; no slash at the end. */
  readonly server: string
  /** The secret is in here: never to be logged. */
  readonly headers: Readonly<Record<string, string>>
  readonly tls: Tls
  /** May hold a password: never to be logged. */
  readonly proxy?: string
}

export interface Cluster {
  /** True for the cluster in which this process is a pod. */
  readonly inCluster: boolean
  /** As files and plugins have it now. Rejects with Orb8Error, whose words hold no secret. */
  access(): Promise<Access>
  /** The server refused what `access` gave: the next one is made from scratch. */
  renew(): void
}

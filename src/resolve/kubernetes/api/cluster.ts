// Which cluster to ask, by the settings. Knows their meaning; nothing of how a cluster lets anybody in.
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { ConfigError } from '../../../errors.ts'
import type { Cluster } from './access.ts'
import { hasServiceAccount, InCluster, SERVICE_ACCOUNT, type ServiceAddress } from './in-cluster.ts'

export interface ClusterSettings {
  /** ORB8_KUBERNETES. */
  readonly kubernetes: 'auto' | 'on' | 'off'
  /** KUBECONFIG: one path or several, divided by colons. */
  readonly kubeconfig?: string | undefined
  /** Undefined outside pods. */
  readonly serviceAddress?: ServiceAddress | undefined
  readonly serviceAccount?: string
  /** Where `.kube/config` is looked for, with `on` only. */
  readonly home?: string | undefined
}

/**
 * An explicit KUBECONFIG comes before the service account. Undefined: names come without the API. Throws ConfigError where `on`
 * finds no cluster, or a kubeconfig cannot be used.
 */
export async function findCluster({
  kubernetes,
  kubeconfig = '',
  serviceAddress,
  serviceAccount = SERVICE_ACCOUNT,
  home,
}: ClusterSettings): Promise<Cluster | undefined> {
  if (kubernetes === 'off') return undefined
  const files = kubeconfig.split(delimiter).filter((path) => path !== '')
  if (files.length > 0) return byFiles(files)
  if (serviceAddress !== undefined && hasServiceAccount(serviceAccount)) return new InCluster(serviceAddress, serviceAccount)
  if (kubernetes === 'auto') return undefined
  const own = home === undefined ? undefined : join(home, '.kube', 'config')
  if (own !== undefined && existsSync(own)) return byFiles([own])
  throw new ConfigError(
    'ORB8_KUBERNETES',
    `"on", but there is no cluster: no KUBECONFIG, no service account in ${serviceAccount}${own === undefined ? '' : `, no ${own}`}`,
    'set KUBECONFIG, run in a pod with a service account, or leave it at auto',
  )
}

async function byFiles(files: readonly string[]): Promise<Cluster> {
  const { openKubeconfig } = await import('./kubeconfig.ts')
  return openKubeconfig(files)
}

// The cluster in which this process is a pod, by its service account's files. Knows where the kubelet puts them; nothing of HTTP.
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { isIPv6 } from 'node:net'
import { join } from 'node:path'
import { Orb8Error } from '../../../errors.ts'
import type { Access, Cluster } from './access.ts'

export const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'

/** `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`, as the kubelet gives them to every pod. */
export interface ServiceAddress {
  readonly host: string
  readonly port: string
}

export function hasServiceAccount(folder: string): boolean {
  return existsSync(join(folder, 'token'))
}

/**
 * The files are read for every request: there are few of them, the kubelet renews the token within the hour, and a rotated CA is
 * taken as soon as it is there. client-node's KubeConfig would add nothing here but tens of megabytes.
 */
export class InCluster implements Cluster {
  readonly inCluster = true
  readonly #server: string
  readonly #folder: string

  constructor({ host, port }: ServiceAddress, folder = SERVICE_ACCOUNT) {
    this.#server = `https://${isIPv6(host) ? `[${host}]` : host}:${port}`
    this.#folder = folder
  }

  async access(): Promise<Access> {
    const [token, ca] = await Promise.all([this.#read('token'), this.#read('ca.crt')])
    return { server: this.#server, headers: { authorization: `Bearer ${token}` }, tls: { ca } }
  }

  renew(): void {
    // Nothing is kept.
  }

  async #read(name: string): Promise<string> {
    const path = join(this.#folder, name)
    const deed = "read the pod's service account"
    const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
      throw new Orb8Error(deed, `${path}: ${cause.code}`, 'the pod needs automountServiceAccountToken: true', { cause })
    })
    if (text.trim() === '') throw new Orb8Error(deed, `${path} is empty`, 'the kubelet fills it: see its log')
    return text.trim()
  }
}

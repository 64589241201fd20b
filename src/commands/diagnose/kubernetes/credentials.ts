// By whose word an API server is asked, in words for a person. Shows no secret.
import { Orb8Error } from '../../../errors.ts'
import type { Access, Cluster } from '../../../resolve/kubernetes/api/access.ts'
import { Silence } from '../../../resolve/kubernetes/api/failure.ts'
import { Watchdog } from '../../../resolve/kubernetes/api/watchdog.ts'

/** A plugin may ask a cloud. */
const CREDENTIALS_MS = 10_000

/** Throws Orb8Error where there are none to be had, or none in time. */
export async function accessTo(cluster: Cluster, limitMs = CREDENTIALS_MS): Promise<Access> {
  const watchdog = new Watchdog(limitMs, new AbortController().signal)
  try {
    return await watchdog.guard(cluster.access())
  } catch (error) {
    if (!(error instanceof Silence)) throw error
    throw new Orb8Error('get credentials', `none within ${limitMs / 1000} s`, 'run the plugin that the kubeconfig names by hand')
  } finally {
    watchdog[Symbol.dispose]()
  }
}

/** `by the pod's service account, with a token`; `files` as they were set. */
export function described({ headers, tls }: Access, inCluster: boolean, files: readonly string[]): string {
  const source = inCluster ? "by the pod's service account" : `by ${files.length > 0 ? files.join(', ') : '~/.kube/config'}`
  const scheme = headers.authorization?.split(' ', 1)[0] ?? ''
  const shown = [...(tls.cert === undefined ? [] : ['a client certificate']), ...(SCHEMES.get(scheme.toLowerCase()) ?? [])]
  return `${source}, with ${shown.length > 0 ? shown.join(' and ') : 'no credentials'}`
}

const SCHEMES: ReadonlyMap<string, readonly string[]> = new Map([
  ['bearer', ['a token']],
  ['basic', ['a password']],
])

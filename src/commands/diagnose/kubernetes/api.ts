// Is there a cluster to ask, is it reached, and does it tell what the exporter wants of it? Opens the connection, ends it, and puts the
// findings together.
import type { Config } from '../../../config.ts'
import { ApiClient } from '../../../resolve/kubernetes/api/client.ts'
import { type ClusterSettings, findCluster } from '../../../resolve/kubernetes/api/cluster.ts'
import { ApiFailure } from '../../../resolve/kubernetes/api/failure.ts'
import { USER_AGENT } from '../../../version.ts'
import type { Check, Finding } from '../check.ts'
import { accessTo, described } from './credentials.ts'
import { Questions } from './questions.ts'
import { refusedOf, rights } from './rights.ts'
import { thisNode } from './this-node.ts'

const CHECK = 'kubernetes'
const UNAUTHORIZED = 401

export type ApiSettings = Pick<Config, 'kubernetes' | 'kubeconfig' | 'nodeName' | 'peers'>
export type ApiWorld = Pick<ClusterSettings, 'serviceAddress' | 'serviceAccount' | 'home'>

/** A cluster that is to be asked and cannot be is a fail: names would be missing. That none is to be asked is fine. */
export function kubernetesApi(settings: ApiSettings, world: ApiWorld, silenceMs?: number): Check {
  return {
    name: CHECK,
    run: async () => {
      const { kubernetes, kubeconfig } = settings
      const cluster = await findCluster({ ...world, kubernetes, kubeconfig: kubeconfig.join(':') })
      if (cluster === undefined) return [{ check: CHECK, status: 'ok', found: `not asked: ${whyNot(kubernetes)}`, remedy: '' }]
      const access = await accessTo(cluster)
      const client = new ApiClient(cluster, { userAgent: USER_AGENT })
      try {
        const how = described(access, cluster.inCluster, kubeconfig)
        return await ask(new Questions(client, silenceMs), settings, `${access.server}, ${how}`)
      } finally {
        await client.close()
      }
    },
  }
}

const whyNot = (setting: Config['kubernetes']): string =>
  setting === 'off' ? 'ORB8_KUBERNETES is off' : 'no service account of a pod, and no KUBECONFIG'

async function ask(questions: Questions, { nodeName, peers }: ApiSettings, server: string): Promise<readonly Finding[]> {
  const ownPods = `spec.nodeName=${nodeName}`
  const listing = questions.all('pods', ownPods)
  const closed = await listing.then(() => undefined, closedDoor)
  if (closed !== undefined) return [{ check: CHECK, status: 'fail', found: `${server}: ${closed.reason}`, remedy: closed.remedy }]
  const wanted = peers === 'off' ? [] : ['services', 'nodes']
  const [pods, known, ...others] = await Promise.all([
    refusedOf(questions, 'pods', listing, ownPods),
    questions.first('nodes', `metadata.name=${nodeName}`).then(({ count }) => count > 0, nobodyTells),
    ...wanted.map(async (resource) => rights(resource, await refusedOf(questions, resource, questions.first(resource)))),
  ])
  const count = await listing.then((listed) => listed.count, nobodyTells)
  return [
    { check: CHECK, status: 'ok', found: server, remedy: '' },
    rights('pods', pods),
    ...others,
    ...thisNode(nodeName, { known, pods: count }),
  ]
}

const nobodyTells = (): undefined => undefined

/** Nobody is there, or nobody lets us in: nothing else needs to be asked. */
function closedDoor(error: unknown): ApiFailure | undefined {
  if (!(error instanceof ApiFailure)) throw error
  return error.refusal === undefined || error.refusal.status === UNAUTHORIZED ? error : undefined
}

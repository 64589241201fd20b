// The cluster that this node is of: which of its resources are followed for names, and how long they are waited for. Knows no flows;
// what the objects mean is for those who keep them.
import { homedir } from 'node:os'
import { delimiter } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Config, serviceAddress } from '../../config.ts'
import { giveBackFreed } from '../../kernel/malloc.ts'
import type { Logger } from '../../log.ts'
import type { Self } from '../../publish/self.ts'
import { findCluster } from '../../resolve/kubernetes/api/cluster.ts'
import { createKubernetesNames, type KubernetesNames } from '../../resolve/kubernetes/names.ts'
import { stripNode } from '../../resolve/kubernetes/node.ts'
import { stripOwnPod } from '../../resolve/kubernetes/own-pod.ts'
import { stripPeerPod } from '../../resolve/kubernetes/peer-pod.ts'
import type { PeerScope } from '../../resolve/kubernetes/peer-scope.ts'
import { stripResourceSlice } from '../../resolve/kubernetes/resource-slice.ts'
import { stripService } from '../../resolve/kubernetes/service.ts'
import { ExtraRounds } from './extra-rounds.ts'
import { Followers } from './followers.ts'

/** An API server that does not answer takes no exporter out of service. */
const READY_ANYWAY_MS = 30_000
/** So that what runs already has its names in the first collection; whoever scrapes has ten seconds. */
const FIRST_NAMES_MS = 4000
const LOOK_MS = 20
/** From the end of a list until its rubbish has been collected. */
const LET_GO_MS = 5000

export interface ClusterWorld {
  readonly log: Logger
  readonly self: Pick<Self, 'kubernetes'>
  /** See KubernetesNamesOptions. */
  readonly partialRoot: boolean
  readonly handedBack: () => void
  /** Monotonic, ms. */
  readonly nowMs?: () => number
}

export interface FollowedCluster extends AsyncDisposable {
  readonly names: KubernetesNames
  /** Is all listed that was to be, or has it been waited for long enough? */
  ready(): boolean
  /** Resolves as soon as all is listed, or after some seconds. */
  firstNames(): Promise<void>
}

/** Where no API server is to be asked names come without. Throws ConfigError where the settings name none that could be asked. */
export async function followCluster(
  config: Config,
  { log, self, partialRoot, handedBack, nowMs = () => performance.now() }: ClusterWorld,
): Promise<FollowedCluster> {
  const { nodeName, peers, peerNodes, podLogsDir, kubernetes } = config
  const kubeconfig = config.kubeconfig.join(delimiter)
  const cluster = await findCluster({ kubernetes, kubeconfig, serviceAddress: serviceAddress(), home: homedir() })
  const givesBack = new ExtraRounds(giveBackFreed)
  const listed = (): void => givesBack.within(LET_GO_MS)
  const followers = cluster === undefined ? undefined : await Followers.open(cluster, { log, told: self.kubernetes, listed })
  const beganMs = nowMs()
  const names = createKubernetesNames({
    nodeName,
    api: cluster !== undefined,
    peers,
    peerNodes,
    podLogsDirectory: podLogsDir,
    partialRoot,
    handedBack,
    nowMs,
    slicesWanted() {
      followers?.begin({
        resource: 'resourceslices',
        path: '/apis/resource.k8s.io/v1/resourceslices',
        fieldSelector: `spec.nodeName=${nodeName}`,
        strip: stripResourceSlice,
        sink: names.sliceSink,
      })
    },
    scopeChosen(scope) {
      log.info({ scope }, 'how much of the cluster is followed')
      followPeers(scope)
    },
  })

  const followPeers = (scope: PeerScope | undefined): void => {
    if (scope === 'cluster') followers?.begin({ resource: 'peers', path: '/api/v1/pods', strip: stripPeerPod, sink: names.peerSink })
    else followers?.end('peers')
  }
  followers?.begin({
    resource: 'pods',
    path: '/api/v1/pods',
    fieldSelector: `spec.nodeName=${nodeName}`,
    strip: stripOwnPod,
    sink: names.podSink,
  })
  if (names.scope !== 'off') {
    followers?.begin({ resource: 'services', path: '/api/v1/services', strip: stripService, sink: names.serviceSink })
    followers?.begin({ resource: 'nodes', path: '/api/v1/nodes', strip: stripNode, sink: names.nodeSink })
  }
  followPeers(names.scope)

  return {
    names,
    ready: () => names.synced || nowMs() - beganMs >= READY_ANYWAY_MS,
    async firstNames() {
      while (!names.synced && nowMs() - beganMs < FIRST_NAMES_MS) await sleep(LOOK_MS)
      const strange = cluster !== undefined && names.synced && names.counts().ownPods === 0
      if (strange) log.warn({ nodeName }, 'the cluster knows of no pod on this node: is NODE_NAME right?')
    },
    async [Symbol.asyncDispose]() {
      await followers?.[Symbol.asyncDispose]()
      givesBack[Symbol.dispose]()
    },
  }
}

// How much of the cluster a node gets to know. Knows the setting and how many nodes there are; watches nothing.

/** All pods; Services, nodes and this node's pods; nothing. */
export type PeerScope = 'cluster' | 'services' | 'off'

/** With more nodes than these every node following every pod is too much for the API server. */
const MOST_NODES = 200
/** Once chosen it stays until the cluster has grown or shrunk by a tenth beyond: changing it drops or lists all pods. */
const SLACK_NODES = 20

/** `current`: what was chosen before, if anything was. */
export function peerScope(setting: PeerScope | 'auto', nodes: number, current?: PeerScope): PeerScope {
  if (setting !== 'auto') return setting
  const most = current === 'cluster' ? MOST_NODES + SLACK_NODES : current === 'services' ? MOST_NODES - SLACK_NODES : MOST_NODES
  return nodes <= most ? 'cluster' : 'services'
}

import t from 'tap'
import { workloadOf } from '../../../src/resolve/kubernetes/workload.ts'

const owner = (kind: unknown, name: unknown, controller: unknown = true) => ({ apiVersion: 'v1', kind, name, uid: 'u', controller })

const TABLE: readonly (readonly [what: string, metadata: Record<string, unknown>, workload: string, kind: string])[] = [
  [
    'a Deployment, by the hash of its ReplicaSet',
    { ownerReferences: [owner('ReplicaSet', 'web-7d9f8c6b5')], labels: { 'pod-template-hash': '7d9f8c6b5' } },
    'web',
    'Deployment',
  ],
  [
    'a Deployment whose own name ends like a hash',
    { ownerReferences: [owner('ReplicaSet', 'web-7d9f8c6b5-7d9f8c6b5')], labels: { 'pod-template-hash': '7d9f8c6b5' } },
    'web-7d9f8c6b5',
    'Deployment',
  ],
  [
    'a ReplicaSet without a Deployment',
    { ownerReferences: [owner('ReplicaSet', 'web-7d9f8c6b5')], labels: { app: 'web' } },
    'web-7d9f8c6b5',
    'ReplicaSet',
  ],
  ['a ReplicaSet without any labels', { ownerReferences: [owner('ReplicaSet', 'web')] }, 'web', 'ReplicaSet'],
  [
    'a hash that the name does not end in',
    { ownerReferences: [owner('ReplicaSet', 'web-abc')], labels: { 'pod-template-hash': 'abcd' } },
    'web-abc',
    'ReplicaSet',
  ],
  [
    'a name that is nothing but the hash',
    { ownerReferences: [owner('ReplicaSet', '-abcd')], labels: { 'pod-template-hash': 'abcd' } },
    '-abcd',
    'ReplicaSet',
  ],
  [
    'an Argo Rollout',
    { ownerReferences: [owner('ReplicaSet', 'shop-5c6d7')], labels: { 'rollouts-pod-template-hash': '5c6d7' } },
    'shop',
    'Rollout',
  ],
  ['a CronJob, by the eight digits of its Job', { ownerReferences: [owner('Job', 'report-28412345')] }, 'report', 'CronJob'],
  ['a CronJob with more digits', { ownerReferences: [owner('Job', 'report-2841234567')] }, 'report', 'CronJob'],
  ['a Job of its own', { ownerReferences: [owner('Job', 'migrate')] }, 'migrate', 'Job'],
  ['a Job with seven digits', { ownerReferences: [owner('Job', 'migrate-2024011')] }, 'migrate-2024011', 'Job'],
  ['digits alone are no CronJob', { ownerReferences: [owner('Job', '28412345')] }, '28412345', 'Job'],
  ['a StatefulSet', { ownerReferences: [owner('StatefulSet', 'db')] }, 'db', 'StatefulSet'],
  ['a DaemonSet', { ownerReferences: [owner('DaemonSet', 'agent')] }, 'agent', 'DaemonSet'],
  ['any other kind', { ownerReferences: [owner('SparkApplication', 'etl')] }, 'etl', 'SparkApplication'],
  [
    'a static pod: the node',
    { ownerReferences: [owner('Node', 'node-1')], annotations: { 'kubernetes.io/config.mirror': 'ab' } },
    'node-1',
    'Node',
  ],
  ['a static pod of an old kubelet, without an owner', { annotations: { 'kubernetes.io/config.mirror': 'ab' } }, 'node-1', 'Node'],
  ['a pod of its own', {}, 'my-pod', 'Pod'],
  ['an owner that is no controller', { ownerReferences: [owner('Thing', 'x', false), owner('Thing', 'y', null)] }, 'my-pod', 'Pod'],
  ['the controller among owners', { ownerReferences: [owner('Thing', 'x', false), owner('StatefulSet', 'db')] }, 'db', 'StatefulSet'],
  [
    'owners that are nonsense',
    { ownerReferences: [null, 7, 'x', {}, owner(7, 'x'), owner('Job', ''), owner('Job', 'a b')] },
    'my-pod',
    'Pod',
  ],
  ['owners that are no list', { ownerReferences: { 0: owner('Job', 'x') } }, 'my-pod', 'Pod'],
]

for (const [what, metadata, workload, workloadKind] of TABLE) {
  t.test(what, async (t) => {
    t.strictSame(workloadOf(metadata, 'my-pod', 'node-1'), { workload, workloadKind })
  })
}

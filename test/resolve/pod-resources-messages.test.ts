// Written by another implementation of protocol buffers, from kubelet's own description of its messages.
import t from 'tap'
import { allocatableIn, holdingsIn } from '../../src/resolve/pod-resources-messages.ts'
import { podResourcesService } from '../harness/kubelet.ts'

const { List, GetAllocatableResources } = podResourcesService()
const listed = (message: object): Buffer => List?.responseSerialize(message) as Buffer

t.test('devices and claims of every container are found, all else is passed over', async (t) => {
  const memory = [{ memory_type: 'hugepages-2Mi', size: '9007199254740993', topology: { nodes: [{ ID: 1 }] } }]
  const pods = [
    {
      name: 'train-0',
      namespace: 'ml',
      cpu_ids: [1, 2, 300],
      memory,
      containers: [
        {
          name: 'main',
          cpu_ids: [0, -1, 128],
          memory,
          devices: [
            { resource_name: 'nvidia.com/gpu', device_ids: ['GPU-1', 'GPU-2'], topology: { nodes: [{ ID: 0 }, { ID: 1 }] } },
            { resource_name: 'nvidia.com/gpu', device_ids: ['GPU-3'] },
            { resource_name: 'rdma/hca', device_ids: [] },
          ],
          dynamic_resources: [
            {
              claim_name: 'c',
              claim_namespace: 'ml',
              claim_resources: [
                {
                  cdi_devices: [{ name: 'k8s.gpu.nvidia.com/device=gpu-0' }],
                  driver_name: 'gpu.nvidia.com',
                  pool_name: 'node-1',
                  device_name: 'gpu-0',
                  share_id: 's',
                },
              ],
            },
          ],
        },
        { name: 'sidecar' },
      ],
    },
    { name: 'idle', namespace: 'default', containers: [] },
    { name: 'other', namespace: 'ml', containers: [{ name: 'é', devices: [{ resource_name: 'a/b', device_ids: ['x'] }] }] },
  ]
  const main = { namespace: 'ml', pod: 'train-0', container: 'main' }
  t.strictSame(holdingsIn(listed({ pod_resources: pods })), [
    { ...main, resource: 'nvidia.com/gpu', id: 'GPU-1', pool: undefined },
    { ...main, resource: 'nvidia.com/gpu', id: 'GPU-2', pool: undefined },
    { ...main, resource: 'nvidia.com/gpu', id: 'GPU-3', pool: undefined },
    { ...main, resource: 'gpu.nvidia.com', id: 'gpu-0', pool: 'node-1' },
    { namespace: 'ml', pod: 'other', container: 'é', resource: 'a/b', id: 'x', pool: undefined },
  ])
  t.strictSame(holdingsIn(listed({})), [])
})

t.test('what can be handed out comes by resource, a message a device or all in one', async (t) => {
  const answer = GetAllocatableResources?.responseSerialize({
    devices: [
      { resource_name: 'nvidia.com/gpu', device_ids: ['GPU-1'], topology: { nodes: [{ ID: 0 }] } },
      { resource_name: 'a/b', device_ids: ['x', 'y'] },
      { resource_name: 'nvidia.com/gpu', device_ids: ['GPU-2'], topology: { nodes: [{ ID: 1 }] } },
    ],
    cpu_ids: [0, 1, 255],
    memory: [{ memory_type: 'memory', size: 1 }],
  }) as Buffer
  t.strictSame(Object.fromEntries(allocatableIn(answer)), { 'nvidia.com/gpu': ['GPU-1', 'GPU-2'], 'a/b': ['x', 'y'] })
})

t.test('a list that goes on for ever is not kept', async (t) => {
  const device_ids = Array.from({ length: 70_000 }, (_, index) => `d${index}`)
  const containers = [{ name: 'c', devices: [{ resource_name: 'a/b', device_ids }] }]
  t.equal(holdingsIn(listed({ pod_resources: [{ name: 'p', namespace: 'n', containers }] })).length, 65_536)
})

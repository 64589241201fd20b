import t from 'tap'
import { gpuResources } from '../../src/resolve/gpu-resources.ts'

const holding = (resource: string, id: string, pool?: string) => ({ namespace: 'ml', pod: 'a', container: 'main', resource, id, pool })

t.test('GPUs are counted by resource, shares each for one, other devices and claims not at all', async (t) => {
  const held = {
    holdings: [
      holding('nvidia.com/gpu.shared', 'GPU-1::0'),
      holding('nvidia.com/gpu.shared', 'GPU-1::1'),
      holding('rdma/hca', '7'),
      holding('gpu.nvidia.com', 'gpu-0', 'n'),
    ],
    allocatable: new Map([
      ['nvidia.com/gpu.shared', ['GPU-1::0', 'GPU-1::1', 'GPU-1::2']],
      ['nvidia.com/mig-1g.10gb', ['MIG-1']],
      ['rdma/hca', ['7', '8']],
    ]),
  }
  t.strictSame(gpuResources(held), [
    { resource: 'nvidia.com/gpu.shared', allocatable: 3, allocated: 2 },
    { resource: 'nvidia.com/mig-1g.10gb', allocatable: 1, allocated: 0 },
  ])
})

t.test('an older kubelet tells only what it has handed out', async (t) => {
  t.strictSame(gpuResources({ holdings: [holding('nvidia.com/gpu', 'GPU-1')], allocatable: undefined }), [
    { resource: 'nvidia.com/gpu', allocatable: undefined, allocated: 1 },
  ])
})

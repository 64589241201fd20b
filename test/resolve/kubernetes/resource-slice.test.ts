import t from 'tap'
import { stripResourceSlice } from '../../../src/resolve/kubernetes/resource-slice.ts'
import { resourceSlice } from '../../harness/kubernetes-objects.ts'
import { broken } from './raw.ts'

const DEVICES = {
  'gpu-0': { type: 'gpu', uuid: 'GPU-a', minor: 0, index: 0, productName: 'NVIDIA H100' },
  'gpu-1-mig-19-0-1': { type: 'mig', 'gpu.nvidia.com/uuid': 'MIG-b', parentUUID: 'GPU-b', profile: '1g.10gb' },
  'gpu-2': { type: 'gpu', uuid: 7 },
  'gpu-3': { type: 'gpu' },
}

t.test("the UUIDs of a driver's GPUs and MIG instances, by the names that claims have", async (t) => {
  const slice = stripResourceSlice(resourceSlice({ node: 'node-1', devices: DEVICES, generation: 3 }))
  t.match(slice, { pool: 'node-1', generation: 3 })
  t.same(
    slice?.uuids,
    new Map([
      ['gpu-0', 'GPU-a'],
      ['gpu-1-mig-19-0-1', 'MIG-b'],
    ]),
  )
})

t.test("nothing is kept of other drivers' devices", async (t) => {
  t.equal(stripResourceSlice(resourceSlice({ node: 'node-1', devices: DEVICES, driver: 'dra.cpu' }))?.uuids.size, 0)
})

t.test('whatever is broken is no slice, or one with fewer devices', async (t) => {
  for (const raw of broken(resourceSlice({ node: 'node-1', devices: DEVICES }))) t.ok((stripResourceSlice(raw)?.uuids.size ?? 0) <= 2)
  t.equal(stripResourceSlice({}), undefined)
  const many = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`gpu-${index}`, { uuid: `GPU-${index}` }]))
  t.equal(stripResourceSlice(resourceSlice({ node: 'node-1', devices: many }))?.uuids.size, 128)
})

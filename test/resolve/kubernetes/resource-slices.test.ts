import t from 'tap'
import type { ResourceSlice } from '../../../src/resolve/kubernetes/resource-slice.ts'
import { ResourceSlices } from '../../../src/resolve/kubernetes/resource-slices.ts'

const slice = (uid: string, generation: number, devices: Readonly<Record<string, string>>, pool = 'node-1'): ResourceSlice => ({
  uid,
  pool,
  generation,
  uuids: new Map(Object.entries(devices)),
})

t.test('a device is found in its pool, in whichever slice of it', async (t) => {
  const slices = new ResourceSlices()
  slices.put(slice('1', 1, { 'gpu-0': 'GPU-a' }))
  slices.put(slice('2', 1, { 'gpu-1': 'GPU-b' }))
  slices.put(slice('3', 1, { 'gpu-0': 'GPU-c' }, 'other'))
  t.strictSame(
    [slices.uuidOf('node-1', 'gpu-0'), slices.uuidOf('node-1', 'gpu-1'), slices.uuidOf('other', 'gpu-0'), slices.uuidOf('node-1', 'gpu-2')],
    ['GPU-a', 'GPU-b', 'GPU-c', undefined],
  )
})

t.test('the newest generation counts, whichever was told last', async (t) => {
  const slices = new ResourceSlices()
  slices.put(slice('new', 2, { 'gpu-0': 'GPU-new' }))
  slices.put(slice('old', 1, { 'gpu-0': 'GPU-old' }))
  t.equal(slices.uuidOf('node-1', 'gpu-0'), 'GPU-new')
  slices.put(slice('old', 3, { 'gpu-0': 'GPU-newer' }))
  t.equal(slices.uuidOf('node-1', 'gpu-0'), 'GPU-newer')
  slices.remove(slice('old', 3, {}))
  t.equal(slices.uuidOf('node-1', 'gpu-0'), 'GPU-new')
})

t.test('what a list no longer names has gone, and no more is kept than anybody has', async (t) => {
  const slices = new ResourceSlices()
  slices.put(slice('1', 1, { 'gpu-0': 'GPU-a' }))
  slices.listing()
  for (let n = 0; n < 300; n++) slices.put(slice(`s${n}`, 1, { [`d${n}`]: `GPU-${n}` }))
  slices.listed()
  t.equal(slices.uuidOf('node-1', 'gpu-0'), undefined)
  t.strictSame([slices.uuidOf('node-1', 'd0'), slices.uuidOf('node-1', 'd299')], ['GPU-0', undefined])
})

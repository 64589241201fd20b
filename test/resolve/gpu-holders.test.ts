import t from 'tap'
import type { GpuDevice } from '../../src/model.ts'
import { deviceKey, placeHoldings } from '../../src/resolve/gpu-holders.ts'

const GPU = (n: number) => `GPU-c4529c8d-69c4-b61d-e0bc-7b246009600${n}`
const device = (n: number, more: Partial<GpuDevice> = {}): GpuDevice => ({
  uuid: GPU(n),
  index: String(n),
  minor: String(n),
  model: '',
  migProfile: '',
  migInstance: '',
  migUuids: [],
  ...more,
})
const DEVICES = [device(0), device(1), device(1, { migInstance: '7', migUuids: ['MIG-a', 'MIG-b'] })]
const UNKNOWN = () => undefined

/** Whose key each id comes to be under. */
function place(ids: readonly string[], devices: readonly GpuDevice[] = DEVICES) {
  const holdings = ids.map((id) => ({ namespace: 'n', pod: id, container: 'c', resource: 'nvidia.com/gpu', id, pool: undefined }))
  const { holders, unplaced } = placeHoldings(holdings, devices, UNKNOWN)
  return {
    unplaced,
    held: Object.fromEntries([...holders].map(([key, of]) => [key, of.map(({ pod, share }) => (share ? `share ${pod}` : pod))])),
  }
}

t.test('each id comes to its device, shares are known as such', async (t) => {
  t.strictSame(place([GPU(0), `${GPU(0)}::3`, 'MIG-a', 'MIG-b::1', `MIG-${GPU(1)}/7/0`, 'nvidia1/gi7', 'nvidia0/vgpu2', '0000:3b:00.2']), {
    unplaced: 0,
    held: {
      [deviceKey(device(0))]: [GPU(0), `share ${GPU(0)}::3`, 'share nvidia0/vgpu2'],
      [deviceKey(device(1, { migInstance: '7' }))]: ['MIG-a', 'share MIG-b::1', `MIG-${GPU(1)}/7/0`, 'nvidia1/gi7'],
    },
  })
})

t.test('a GPU that no source tells of is counted', async (t) => {
  t.strictSame(place([GPU(5), 'MIG-x', 'nvidia9', 'mlx5_0']), { unplaced: 3, held: {} })
})

t.test('nvidiaN is the minor; where no source knows minors, the index', async (t) => {
  const swapped = [device(0, { minor: '1' }), device(1, { minor: '0' })]
  t.strictSame(Object.keys(place(['nvidia0'], swapped).held), [deviceKey(device(1))])
  t.strictSame(Object.keys(place(['nvidia0'], [device(0, { minor: '' }), device(1, { minor: '' })]).held), [deviceKey(device(0))])
})

const claim = (id: string, resource = 'gpu.nvidia.com') => ({ namespace: 'n', pod: id, container: 'c', resource, id, pool: 'node-1' })

t.test('a resource claim comes to its device by what its pool says, else by number where that is sure', async (t) => {
  const uuids = new Map([
    ['node-1/gpu-0', GPU(1)],
    ['node-1/gpu-1-mig-19-0-1', 'MIG-b'],
  ])
  const told = placeHoldings([claim('gpu-0'), claim('gpu-1-mig-19-0-1')], DEVICES, (pool, name) => uuids.get(`${pool}/${name}`))
  t.strictSame([...told.holders.keys()], [deviceKey(device(1)), deviceKey(device(1, { migInstance: '7' }))])
  const guessed = placeHoldings([claim('gpu-0'), claim('gpu-1-mig-19-0-1'), claim('gpu-0', 'gpu.other.example')], DEVICES, UNKNOWN)
  t.strictSame([[...guessed.holders.keys()], guessed.unplaced], [[deviceKey(device(0))], 1])
  const swapped = placeHoldings([claim('gpu-0')], [device(0, { minor: '1' }), device(1, { minor: '0' })], UNKNOWN)
  t.strictSame([swapped.holders.size, swapped.unplaced], [0, 1], 'minor or index? Nobody knows')
})

import t from 'tap'
import { readDraGpu, readGpuId } from '../../src/resolve/gpu-id.ts'

const GPU = 'GPU-c4529c8d-69c4-b61d-e0bc-7b2460096005'
const MIG = 'MIG-fb60cbdf-bc44-5b8c-a5d4-0e3a3d8e1ab4'
const NOTHING = { uuid: '', migUuid: '', minor: '', migInstance: '', share: false }

t.test('every form in which a device is handed out', async (t) => {
  const forms = {
    [GPU]: { uuid: GPU },
    [`${GPU}::3`]: { uuid: GPU, share: true },
    [`${GPU}-12`]: { uuid: GPU, share: true },
    [MIG]: { migUuid: MIG },
    [`${MIG}::0`]: { migUuid: MIG, share: true },
    [`MIG-${GPU}/7/0`]: { uuid: GPU, migInstance: '7' },
    [`MIG-${GPU}/13/0::2`]: { uuid: GPU, migInstance: '13', share: true },
    nvidia0: { minor: '0' },
    'nvidia12/vgpu1': { minor: '12', share: true },
    'nvidia0/gi3': { minor: '0', migInstance: '3' },
    'nvidia0/gi3/vgpu0': { minor: '0', migInstance: '3', share: true },
  }
  for (const [id, wanted] of Object.entries(forms)) t.strictSame(readGpuId(id), { ...NOTHING, ...wanted }, id)
})

t.test('ids of other devices are none', async (t) => {
  for (const id of ['', '0', '0000:3b:00.2', 'mlx5_0', 'tpu-1', 'nvidiactl', 'nvidia0/x', 'GPU-', `${GPU}::`, `${GPU}/1`, 'xGPU-1'])
    t.equal(readGpuId(id), undefined, id)
})

t.test("a claim's device is a GPU by its number, MIG and pass-through are not", async (t) => {
  t.equal(readDraGpu('gpu-0'), '0')
  for (const name of ['gpu-0-mig-9-0-1', 'gpu-vfio-0', 'gpu-', 'imex-channel-0']) t.equal(readDraGpu(name), undefined, name)
})

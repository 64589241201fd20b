// dcgm-exporter and kubelet of a machine with so many GPUs, in a process of their own: says where they listen, and ends with its input.
import { DcgmExporter, dcgmText } from '../test/harness/dcgm-exporter.ts'
import { holder, Kubelet } from '../test/harness/kubelet.ts'
import { Undo } from '../test/harness/undo.ts'

const gpus = Number(process.argv[2])
const undo = new Undo()

/** The rows of the first GPU of the text, once for each; with the headers again, as another group of entities has them. */
const rows = dcgmText('today')
  .split('\n')
  .filter((line) => !line.includes('gpu="1"'))
const text = Array.from({ length: gpus }, (_, index) =>
  rows.map((line) => line.replace('gpu="0"', `gpu="${index}"`).replace(/UUID="[^"]*"/, `UUID="GPU-${index}"`)).join('\n'),
).join('\n')

const dcgm = await DcgmExporter.start(undo, text)
const pods = Array.from({ length: gpus }, (_, index) => holder(`train-${index}`, 'nvidia.com/gpu', `GPU-${index}`))
const kubelet = await Kubelet.start(undo, { pods, allocatable: { 'nvidia.com/gpu': pods.map((_, index) => `GPU-${index}`) } })
console.log(JSON.stringify({ url: dcgm.url, socket: kubelet.socket, bytes: text.length }))
process.stdin.resume().once('end', () => undo.all())

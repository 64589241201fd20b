import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { run } from '../harness/child.ts'
import { runCommand } from '../harness/exporter.ts'
import { sum } from '../harness/exposition.ts'
import { onSite } from '../harness/site.ts'
import { containerOf, NO_HELM, render } from './rendering.ts'

/** Makes what the image runs. */
const BUNDLE = join(import.meta.dirname, '..', '..', 'scripts', 'bundle.ts')
const MEBIBYTE = 1 << 20
/** What the chart takes for the process, with 1,000 lines and Kubernetes. */
const PROCESS = 110 * MEBIBYTE

interface Memory {
  readonly request: number
  readonly limit: number
}

/** In bytes; the same of both containers. */
function memoryOf(t: Test, values: object): Memory {
  const manifests = render(values)
  const [{ requests, limits }, other] = ['orb8', 'load'].map((name) => containerOf(manifests, name).resources)
  t.same(other, { requests, limits }, 'what the init container loads is charged to the pod, and to it first')
  const bytes = (text: string): number => Number(/^(\d+)Mi$/.exec(text)?.[1]) * MEBIBYTE
  return { request: bytes(requests.memory), limit: bytes(limits.memory) }
}

/** Of the pinned maps with such names, as the kernel tells it. */
function kernelMemory(pins: string, names: RegExp): number {
  const maps = readdirSync(pins).filter((name) => names.test(name))
  return maps.reduce((total, name) => total + JSON.parse(run('bpftool', '-j', 'map', 'show', 'pinned', join(pins, name))).bytes_memlock, 0)
}

t.test('the memory limit follows the settings', { skip: NO_HELM }, (t) => {
  const { request, limit } = memoryOf(t, {})
  t.same([request / MEBIBYTE, limit / MEBIBYTE], [176, 376])
  const grows = (values: object, bytes: number): void => {
    const more = memoryOf(t, values).limit - limit
    t.ok(Math.abs(more - 1.25 * bytes) <= 8 * MEBIBYTE, `${JSON.stringify(values)}: ${more} B more, ${1.25 * bytes} wanted`)
  }
  grows({ settings: { sockets: 1_262_144 } }, 400e6)
  grows({ settings: { seriesLimit: 250_000 } }, 200_000 * (512 + 544))
  grows({ settings: { flowEntries: 1_065_536 } }, 1e6 * (384 + 544 / 8))
  grows({ otlp: { endpoint: 'http://collector:4317' } }, 62 * MEBIBYTE)
  t.same(containerOf(render({ resources: { limits: { memory: '1Gi' } } }), 'orb8').resources.limits, { memory: '1Gi' })
  t.same(containerOf(render({ resources: { limits: null, requests: null } }), 'orb8').resources, {})
  t.end()
})

t.test(
  'the chart knows what the kernel maps of these settings take',
  { skip: NO_HELM },
  onSite(async (t, site) => {
    const image = t.testdir()
    run(process.execPath, BUNDLE, image)
    const program = join(image, 'dist/cli.js')
    for (const [flowEntries, seriesLimit] of [
      [65_536, 50_000],
      [20_000, 1000],
    ] as const) {
      const { pins, unmount } = site.bpffs()
      const args = [`--pin-path=${pins}`, `--flow-entries=${flowEntries}`, `--series-limit=${seriesLimit}`]
      const loaded = await runCommand(site.undo, 'load', { args })
      t.same([loaded.code, loaded.signal], [0, null], loaded.stderr.join('\n'))
      const [maps, ledger] = [/^map_/, /^ledger_/].map((names) => kernelMemory(pins, names)) as [number, number]
      const exporter = await site.exporter({ args, program })
      const resident = sum(await exporter.scrape(), 'process_resident_memory_bytes')
      const kernel = memoryOf(t, { settings: { flowEntries, seriesLimit } }).request - PROCESS
      t.ok(maps > 0 && ledger > 0)
      t.ok(maps + ledger <= kernel, `maps of ${maps} B and a ledger of ${ledger} B fit into ${kernel} B`)
      t.ok(kernel <= 1.5 * (maps + ledger) + 8 * MEBIBYTE, 'with little to spare')
      // The ledger is mapped into the process, and charged once.
      t.ok(resident - ledger > 0 && resident - ledger <= PROCESS, `resident: ${resident} B, the ledger among it`)
      t.same(await exporter.stop(), { code: 0, signal: null })
      exporter.dead = true
      unmount()
    }
  }),
)

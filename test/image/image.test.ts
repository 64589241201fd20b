import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { findCgroupRoot } from '../../src/resolve/cgroup-root.ts'
import { VERSION } from '../../src/version.ts'
import { type Child, until, within } from '../harness/child.ts'
import { parseExposition, sum } from '../harness/exposition.ts'
import { onSite, type Site } from '../harness/site.ts'
import { containerOf, NO_HELM, renderFile } from '../helm/rendering.ts'
import { command, debianLacks, makeFolder } from './bare-debian.ts'
import { initOf, type Pod, startContainer } from './container.ts'
import { Build, type Image } from './stages.ts'

/** Of the compressed image; the issue that brought it says so. */
const MOST_BYTES = 100e6
/** Two minutes where nobody else wants the processors. */
const LIMIT_MS = 840_000
const LOCALHOST = '127.0.0.1'

const skip = debianLacks() ?? false

t.test(
  "the image is built by its stages, and runs as the chart's pod does",
  { skip },
  onSite(async (t, site) => {
    const folder = makeFolder(site.undo)
    const build = new Build(site.undo, folder, { VERSION, REVISION: 'none' })
    const made = await build.all()
    if ('why' in made) {
      t.pass('the image is built', { skip: made.why })
      return
    }
    for (const { stage, text, seconds } of build.ran) t.comment(`${stage}: ${seconds.toFixed(1)} s: ${text.slice(0, 60)}`)
    const image = made.images.get('image') as Image
    await lies(t, site, image)
    if (NO_HELM === false) await runs(t, site, image)
    else t.pass('the pod runs', { skip: NO_HELM })
  }, LIMIT_MS),
)

/** What is in it. */
async function lies(t: Test, site: Site, { root, labels, user }: Image): Promise<void> {
  t.equal(user, '65534:65534')
  t.equal(labels.get('org.opencontainers.image.version'), VERSION)
  t.same(readdirSync(join(root, 'usr/local/bin')).sort(), ['node', 'orb8'], 'no npm, no yarn')
  t.same(readdirSync(join(root, 'app')).sort(), [
    'LICENSE',
    'THIRD-PARTY-LICENSES',
    'dist',
    'healthcheck.js',
    'node_modules',
    'package.json',
  ])
  t.same(readdirSync(join(root, 'app/node_modules')).sort(), ['@koromix', 'koffi'], 'the other dependencies are in the bundle')
  t.notOk(existsSync(join(root, 'usr/bin/clang-16')))
  t.ok(statSync(join(root, 'app/dist/bpf/socket.bpf.o')).size > 0)
  const packages = readFileSync(join(root, 'var/lib/dpkg/status'), 'utf8')
  t.match(packages, /^Package: libbpf1$/m)
  const sizes = ['--exclude=./proc/*', '--exclude=./sys/*', '--exclude=./dev/*', '--exclude=./var/cache/apt/*']
  const { stdout } = await command(site.undo, 'bash', ['-c', `tar -C "$1" ${sizes.join(' ')} -c . | gzip | wc -c`, 'size', root])
  const bytes = Number(stdout)
  t.ok(bytes > 1e7 && bytes < MOST_BYTES, `compressed it has ${bytes} bytes`)
  t.comment(`${bytes} bytes compressed`)
}

async function runs(t: Test, site: Site, image: Image): Promise<void> {
  const { pins } = site.bpffs()
  mkdirSync(pins, { mode: 0o755 }) // as the kubelet does
  const logs = makeFolder(site.undo)
  const pod: Pod = {
    volumes: { bpf: pins, cgroup: (await findCgroupRoot('auto')).path, 'pod-logs': logs, 'container-logs': logs },
    fields: { 'spec.nodeName': 'node-7', 'status.hostIP': '192.0.2.7' },
  }
  const manifests = renderFile('default')
  const [load, run] = ['load', 'orb8'].map((name) => containerOf(manifests, name)) as [
    ReturnType<typeof containerOf>,
    ReturnType<typeof containerOf>,
  ]

  const loading = startContainer(site.undo, image, pod, load)
  t.same(await loading.end(), { code: 0, signal: null }, loading.stderr.join('\n'))

  const env = { ORB8_LISTEN: `${LOCALHOST}:0`, ORB8_KUBERNETES: 'off' }
  const exporter = startContainer(site.undo, image, pod, run, { env })
  const port = await listening(exporter)
  const status = readFileSync(`/proc/${initOf(exporter)}/status`, 'utf8')
  const field = (name: string): string | undefined => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(status)?.[1]
  t.equal(field('Uid'), '65534\t65534\t65534\t65534')
  for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb']) t.equal(field(set), '0'.repeat(16), `${set}: no capability in force`)
  t.equal(field('CapBnd'), '0000008000000000', 'BPF in the bounding set')
  t.equal(field('NoNewPrivs'), '1')

  await until('/readyz', async () => (await ask(port, '/readyz')).status === 200)
  const first = parseExposition((await ask(port, '/metrics')).body)
  t.match(first.samples.find(({ name }) => name === 'orb8_build_info')?.labels, {
    version: VERSION,
    node_version: /^v?24\./,
    libbpf_version: /^v?1\.1/,
  })
  t.same(
    first.samples.filter(({ name, value }) => name === 'orb8_bpf_program_loaded' && value !== 1),
    [],
  )
  t.ok(sum(first, 'orb8_container_network_bytes_total') > 0, 'it counts')

  const asks = (listen: string): Child =>
    startContainer(site.undo, image, pod, run, { command: image.healthcheck, args: [], env: { ORB8_LISTEN: listen } })
  t.equal((await asks(`${LOCALHOST}:${port}`).end()).code, 0, 'HEALTHCHECK: healthy')
  t.equal((await asks(`${LOCALHOST}:1`).end()).code, 1, 'HEALTHCHECK: nobody there')

  process.kill(initOf(exporter), 'SIGTERM')
  t.same(await exporter.end(), { code: 0, signal: null }, 'SIGTERM ends it, also as process 1')
  const second = startContainer(site.undo, image, pod, run, { env })
  const again = await listening(second)
  t.ok(second.stderr.some((line) => line.includes('"origin":"taken over"')))
  const later = parseExposition((await ask(again, '/metrics')).body)
  t.ok(sum(later, 'orb8_container_network_bytes_total') >= sum(first, 'orb8_container_network_bytes_total'), 'and the counters go on')
  process.kill(initOf(second), 'SIGTERM')
  t.same(await second.end(), { code: 0, signal: null })

  const unload = startContainer(site.undo, image, pod, containerOf(renderFile('unload'), 'unload'))
  t.equal((await unload.end()).code, 0, unload.stderr.join('\n'))
  t.same(readdirSync(pins), [], 'nothing is pinned any more')
}

/** Its port. */
async function listening(child: Child): Promise<number> {
  let port = 0
  await until('the exporter to listen', () => {
    const line = child.stderr.find((each) => each.includes('"msg":"listening"'))
    port = Number(/:(\d+)"/.exec(line ?? '')?.[1] ?? 0)
    return port > 0
  })
  return port
}

function ask(port: number, path: string): Promise<{ readonly status: number; readonly body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>()
  get({ host: LOCALHOST, port, path, agent: false }, (response) => {
    let body = ''
    response.setEncoding('utf8').on('data', (text: string) => {
      body += text
    })
    response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
    response.on('error', reject)
  }).on('error', reject)
  return within(promise, `GET ${path}`)
}

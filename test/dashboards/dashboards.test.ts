// The dashboards as committed: current, laid out, linked; each query parsed and answered by Debian's Prometheus from the made-up cluster, after
// its own promtool has evaluated the recording rules on it.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { run } from '../harness/child.ts'
import { DASHBOARDS, filled, queriesOf } from '../harness/dashboards.ts'
import { madeCluster } from '../harness/made-cluster.ts'
import { has } from '../harness/namespaces.ts'
import { Prometheus, type Vector } from '../harness/prometheus.ts'
import { metricsOf, recordedBy, unknownLabels, unknownMetrics } from '../harness/promql.ts'
import { ROOT, RULES } from '../harness/rules.ts'
import { Undo } from '../harness/undo.ts'

const recorded = recordedBy(RULES)

t.test('the committed files are what the code makes', async (t) => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/dashboards.ts', '--check'], { cwd: ROOT, encoding: 'utf8' })
  t.same({ status, stderr }, { status: 0, stderr: '' })
})

t.test('there are five, linked to each other with what is chosen', async (t) => {
  t.same(
    DASHBOARDS.map(({ uid }) => uid),
    ['orb8-cluster', 'orb8-exporter', 'orb8-gpu', 'orb8-pod', 'orb8-service-map'],
  )
  for (const { uid, tags, links } of DASHBOARDS) {
    t.same(tags, ['orb8'], uid)
    t.match(links, [{ tags: ['orb8'], includeVars: true, keepTime: true }], uid)
  }
  const known = new Set(DASHBOARDS.map(({ uid }) => uid))
  const urls = DASHBOARDS.flatMap((dashboard) => [...JSON.stringify(dashboard).matchAll(/"url":"\/d\/([\w-]+)\?/g)])
  t.ok(urls.length > 0, 'rows of tables have links')
  for (const [url, uid = ''] of urls) t.ok(known.has(uid), url)
})

t.test('panels do not overlap, and each shows a unit', async (t) => {
  for (const { title, panels } of DASHBOARDS) {
    const taken = new Set<string>()
    for (const { gridPos, title: name } of panels) {
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          if (taken.has(`${x} ${y}`) || x >= 24) t.fail(`${title}: ${name} has no place of its own at ${x}, ${y}`)
          taken.add(`${x} ${y}`)
        }
      }
    }
    for (const panel of panels.filter(({ type }) => type !== 'row')) {
      const overrides = JSON.stringify(panel.fieldConfig?.overrides ?? []).includes('"id":"unit"')
      const unit =
        panel.fieldConfig?.defaults.unit ??
        panel.options?.nodes?.mainStatUnit ??
        panel.options?.yAxis?.unit ??
        (overrides ? 'by column' : '')
      t.not(unit, '', `${title}: ${panel.title}`)
    }
  }
})

t.test('queries ask for metrics and labels that are there', async (t) => {
  for (const dashboard of DASHBOARDS) {
    for (const { panel, target } of queriesOf(dashboard)) {
      const name = `${dashboard.title}: ${panel.title}`
      t.not(metricsOf(filled(target.expr)).length, 0, name)
      t.same(unknownMetrics(filled(target.expr), recorded), [], name)
      t.same(unknownLabels(filled(target.expr), recorded, target.legendFormat), [], name)
      for (const [range] of target.expr.replaceAll(/"[^"]*"/g, '').matchAll(/\[[^\]]*\]/g)) t.equal(range, '[$__rate_interval]', name)
    }
  }
})

t.test(
  'Prometheus parses every query and answers none with nothing',
  { skip: has('prometheus') && has('promtool') ? false : 'no prometheus', timeout: 110_000 },
  async (t) => {
    const undo = new Undo()
    const folder = mkdtempSync(join(tmpdir(), 'orb8-test-dashboards-'))
    const remove = (): void => rmSync(folder, { recursive: true, force: true })
    undo.add({ gently: remove, atOnce: remove })
    try {
      const endS = Math.floor(Date.now() / 60_000) * 60 - 60
      const startS = endS - MINUTES * 60
      const storage = join(folder, 'data')
      writeFileSync(join(folder, 'scrapes'), await madeCluster(endS * 1000, MINUTES))
      run('promtool', 'tsdb', 'create-blocks-from', 'openmetrics', join(folder, 'scrapes'), storage)
      // Twice: some rules read what others record, which the first turn does not see yet.
      await record(storage, startS, endS)
      await record(storage, startS, endS)
      const prometheus = await Prometheus.start(undo, {}, { storage })

      for (const name of recorded.keys()) t.not((await prometheus.vector(name, endS)).length, 0, `${name} is recorded`)
      for (const dashboard of DASHBOARDS) {
        for (const { panel, target } of queriesOf(dashboard)) {
          const result = await prometheus.vector(filled(target.expr), endS)
          const numbers = result.filter(({ value }) => Number.isFinite(Number(value[1])))
          t.not(numbers.length, 0, `${dashboard.title}: ${panel.title} ${target.refId}`)
        }
        for (const { name, query } of dashboard.templating.list) {
          if (typeof query === 'string') continue
          const [, selector = '', label = ''] = /^label_values\((.*), (\w+)\)$/.exec(query.query) ?? []
          t.not((await prometheus.labelValues(label, filled(selector), startS)).length, 0, `${dashboard.title}: the variable ${name}`)
        }
      }

      const ask = async (uid: string, title: string, refId: string): Promise<readonly Vector[]> => {
        const found = DASHBOARDS.filter((dashboard) => dashboard.uid === uid).flatMap(queriesOf)
        const { target } = found.find(({ panel, target }) => panel.title === title && target.refId === refId) ?? {}
        return prometheus.vector(filled(target?.expr ?? ''), endS)
      }
      const edges = await ask('orb8-service-map', 'Who talks to whom', 'edges')
      t.same(edges.map(({ metric }) => metric.id).sort(), EDGES, 'the map has each pair once, pods also where a Service was dialled')
      const zones = await ask('orb8-cluster', 'Between zones, by pair', 'A')
      t.same(zones.map(({ metric }) => `${metric.zone} ${metric.peer_zone}`).sort(), ['z1 z2', 'z2 z1'], 'a zone does not cross to itself')
      const idle = await ask('orb8-gpu', 'Idle while the network moves', 'A')
      t.same(idle.map(({ metric, value }) => `${metric.pod} ${Number(value[1]).toFixed(2)}`).sort(), ['train-0 0.19', 'train-1 0.88'])
    } finally {
      await undo.all()
    }
  },
)

/** Who talks to whom in the made-up cluster. */
const EDGES = [
  'external > shop/web',
  'kubelet.service > external',
  'ml/train > external: objectstore',
  'ml/train > ml/train',
  'node > shop/web',
  'shop/api > data/postgres',
  'shop/api > external: payments',
  'shop/api > kube-system/coredns',
  'shop/web > kube-system/coredns',
  'shop/web > shop/api',
]

/** Long enough for every window. */
const MINUTES = 30

/** Adds what the recording rules make of the blocks in `storage`. */
async function record(storage: string, startS: number, endS: number): Promise<void> {
  const undo = new Undo()
  try {
    const { port } = await Prometheus.start(undo, {}, { storage })
    const range = [`--start=${startS}`, `--end=${endS}`, '--eval-interval=60s']
    const places = [`--url=http://127.0.0.1:${port}`, `--output-dir=${storage}`]
    run('promtool', 'tsdb', 'create-blocks-from', 'rules', ...range, ...places, join(ROOT, 'rules', 'recording.yaml'))
  } finally {
    await undo.all()
  }
}

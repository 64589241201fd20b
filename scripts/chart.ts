// Writes what is made from the chart and what the chart is made of: its README's table, copies of rules and dashboards, plain manifests.
//   node scripts/chart.ts                 writes
//   node scripts/chart.ts --check         compares, writes nothing
//   node scripts/chart.ts --package DIR   writes, and packs the chart into DIR
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { copies, documents, type Files, manifests, orphans } from './chart/files.ts'
import { CHART } from './chart/render.ts'
import { kubernetesTools, toolsLack } from './kubernetes-tools.ts'

const ROOT = join(import.meta.dirname, '..')
const [word, directory] = process.argv.slice(2)

function differing(files: Files): readonly string[] {
  return [...files]
    .filter(([path, text]) => !existsSync(join(ROOT, path)) || readFileSync(join(ROOT, path), 'utf8') !== text)
    .map(([path]) => path)
}

function write(files: Files): void {
  for (const path of differing(files)) {
    mkdirSync(dirname(join(ROOT, path)), { recursive: true })
    writeFileSync(join(ROOT, path), files.get(path) ?? '')
    console.error(`chart: ${path}`)
  }
}

/** The chart must have its copies before it is rendered. */
function stages(): readonly (() => Files)[] {
  return [copies, documents, () => manifests() ?? new Map<string, string>()]
}

function check(): boolean {
  const stale = [...stages().flatMap((stage) => differing(stage())), ...orphans()]
  for (const path of stale) console.error(`${path} is not current: run node scripts/chart.ts`)
  const lack = toolsLack()
  if (lack !== undefined) console.error(`chart: the plain manifests were not compared: ${lack}`)
  return stale.length === 0
}

if (word === '--check') process.exitCode = check() ? 0 : 1
else {
  for (const path of orphans()) rmSync(join(ROOT, path))
  for (const stage of stages()) write(stage())
  if (word === '--package') {
    if (directory === undefined) throw new Error('--package needs a directory')
    execFileSync(kubernetesTools().helm, ['package', CHART, '--destination', directory], { stdio: 'inherit' })
  }
}

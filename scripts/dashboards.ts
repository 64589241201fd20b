// Writes dashboards/json from the code beside it. --check only compares.
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { cluster } from '../dashboards/cluster.ts'
import { exporter } from '../dashboards/exporter.ts'
import { gpu } from '../dashboards/gpu.ts'
import { pod } from '../dashboards/pod.ts'
import { serviceMap } from '../dashboards/service-map.ts'

const FOLDER = join(import.meta.dirname, '..', 'dashboards', 'json')

const wanted = new Map([cluster, pod, serviceMap, gpu, exporter].map((made) => [`${made.uid}.json`, `${JSON.stringify(made, null, 2)}\n`]))
const there = new Map(globSync(`${FOLDER}/*.json`).map((path) => [basename(path), readFileSync(path, 'utf8')]))
const stale = [...new Set([...wanted.keys(), ...there.keys()])].filter((name) => wanted.get(name) !== there.get(name))

if (process.argv.includes('--check')) {
  for (const name of stale) console.error(`dashboards/json/${name} is not what the code makes: run node scripts/dashboards.ts`)
  if (stale.length > 0) process.exit(1)
} else {
  mkdirSync(FOLDER, { recursive: true })
  for (const name of stale) {
    const text = wanted.get(name)
    if (text === undefined) rmSync(join(FOLDER, name))
    else writeFileSync(join(FOLDER, name), text)
  }
}

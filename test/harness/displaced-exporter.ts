// The exporter with clocks that a file moves: CLOCKS names it, and it holds how many ms to add to the wall clock and to the monotonic one.
import { readFileSync } from 'node:fs'
import { loadConfig } from '../../src/config.ts'
import { runExporter } from '../../src/export.ts'
import type { Displacement } from './displaced-clocks.ts'

const displaced = (): Displacement => JSON.parse(readFileSync(process.env.CLOCKS ?? '', 'utf8')) as Displacement

const { config, warnings } = await loadConfig({ argv: process.argv.slice(3) })
await runExporter(config, warnings, {
  nowMs: () => Date.now() + displaced().wallMs,
  nowNs: () => process.hrtime.bigint() + BigInt(displaced().monotonicMs) * 1_000_000n,
})

// What an API server of some version says of a manifest, by Kubernetes' own schemas. Knows where they are; nothing of the chart.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import type { Manifest } from './rendering.ts'

interface Schemas {
  readonly kinds: Readonly<Record<string, string>>
  /** Each has what is new or other than in the version before; null is gone. */
  readonly versions: Readonly<Record<string, Readonly<Record<string, object | null>>>>
}

const { kinds, versions }: Schemas = JSON.parse(readFileSync(join(import.meta.dirname, 'kubernetes-schemas.json'), 'utf8'))

export const VERSIONS: readonly string[] = Object.keys(versions)
const INTEGERS = { int32: 2 ** 31, int64: 2 ** 63 }

const validators = new Map(VERSIONS.map((version) => [version, validatorsOf(version)]))

function validatorsOf(version: string): (kind: string) => ValidateFunction | undefined {
  const definitions: Record<string, object> = {}
  for (const each of VERSIONS.slice(0, VERSIONS.indexOf(version) + 1))
    for (const [name, schema] of Object.entries(versions[each] ?? {})) {
      if (schema === null) delete definitions[name]
      else definitions[name] = schema
    }
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  for (const [name, limit] of Object.entries(INTEGERS))
    ajv.addFormat(name, { type: 'number', validate: (value: number) => Number.isInteger(value) && value >= -limit && value < limit })
  for (const name of ['byte', 'date-time', 'int-or-string', 'double']) ajv.addFormat(name, true)
  ajv.addSchema({ $id: 'kubernetes', $defs: definitions })
  return (kind) => {
    const name = kinds[kind]
    return name === undefined ? undefined : ajv.getSchema(`kubernetes#/$defs/${name}`)
  }
}

/** A line for each finding; none where the server would take it. */
export function findings(manifest: Manifest, version: string): readonly string[] {
  const validate = validators.get(version)?.(manifest.kind)
  const name = `${version}: ${manifest.kind} ${manifest.metadata.name}`
  if (validate === undefined) return [`${name}: there is no schema for it`]
  if (validate(manifest)) return []
  return (validate.errors ?? []).map(({ instancePath, message, params }) => `${name}: ${instancePath} ${message} ${JSON.stringify(params)}`)
}

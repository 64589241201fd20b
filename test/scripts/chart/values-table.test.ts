import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { CHART } from '../../../scripts/chart/render.ts'
import { valuesOf, valuesTable } from '../../../scripts/chart/values-table.ts'

const VALUES = readFileSync(join(CHART, 'values.yaml'), 'utf8')

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>
  readonly $ref?: string
  readonly $defs?: Readonly<Record<string, Schema>>
}

t.test('a comment above a key says what it means, one before an empty line does not', (t) => {
  const text =
    '# of the file\n\n# First.\na: 1\ngroup:\n  # Second,\n  # on two lines.\n  b: [x]\n\n# of what follows\n\n# Third | last.\nc: {}\n'
  t.same(valuesOf(text), [
    { key: 'a', fallback: '1', meaning: 'First.' },
    { key: 'group.b', fallback: '["x"]', meaning: 'Second, on two lines.' },
    { key: 'c', fallback: '{}', meaning: 'Third | last.' },
  ])
  t.match(valuesTable(text), /\n\| `c` \| `\{\}` \| Third \\\| last\. \|$/)
  t.end()
})

t.test('a value without a comment is an error', (t) => {
  t.throws(() => valuesOf('a: 1\n'), /a has no comment/)
  t.throws(() => valuesOf('group:\n  # Said.\n  b: 1\n  c: 2\n'), /group\.c has no comment/)
  t.throws(() => valuesOf('- 1\n'), /no map/)
  t.throws(() => valuesOf('a: [\n'))
  t.end()
})

t.test('every value of the chart is in its schema, and nothing else', (t) => {
  const schema: Schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8'))
  const resolved = (part: Schema): Schema => (part.$ref === undefined ? part : (schema.$defs?.[part.$ref.replace('#/$defs/', '')] ?? {}))
  const keysOf = (part: Schema, path: string): readonly string[] => {
    const { properties } = resolved(part)
    if (properties === undefined) return [path]
    return Object.entries(properties).flatMap(([name, inner]) => keysOf(inner, path === '' ? name : `${path}.${name}`))
  }
  const values = valuesOf(VALUES).map(({ key }) => key)
  const schemas = keysOf(schema, '').filter((key) => key !== 'global')
  const inOther = (key: string, others: readonly string[]): boolean =>
    others.some((other) => other === key || other.startsWith(`${key}.`) || key.startsWith(`${other}.`))
  t.same(
    values.filter((key) => !inOther(key, schemas)),
    [],
    'in the schema',
  )
  t.same(
    schemas.filter((key) => !inOther(key, values)),
    [],
    'in values.yaml',
  )
  t.end()
})

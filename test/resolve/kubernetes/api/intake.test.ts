import t from 'tap'
import { Intake } from '../../../../src/resolve/kubernetes/api/intake.ts'

function intake(): { seen: string[]; it: Intake<string> } {
  const seen: string[] = []
  const sink = {
    listing: () => seen.push('listing'),
    put: (name: string) => seen.push(`put ${name}`),
    listed: () => seen.push('listed'),
    remove: (name: string) => seen.push(`remove ${name}`),
  }
  const strip = (raw: unknown): string | undefined => (raw as { name?: string }).name
  return { seen, it: new Intake(sink, strip, (reason) => seen.push(`skipped ${reason}`)) }
}

t.test('what can be stripped goes in, the rest is counted and passed over', (t) => {
  const { seen, it } = intake()
  it.item('{"name":"a"}')
  it.item('{"nam')
  it.item('{}')
  it.item('null')
  it.item(undefined)
  it.remove({ name: 'a' })
  it.remove({})
  t.same(seen, ['put a', 'skipped garbage', 'skipped malformed', 'skipped malformed', 'skipped too_large', 'remove a', 'skipped malformed'])
  t.end()
})

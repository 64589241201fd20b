import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'

t.test('the generated layouts are what the compiler makes of bpf/layout.h', async (t) => {
  const script = fileURLToPath(new URL('../../scripts/layouts.ts', import.meta.url))
  t.doesNotThrow(() => execFileSync(process.execPath, [script, '--check'], { stdio: 'pipe' }))
})

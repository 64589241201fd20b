// The import arrows of the house, as biome.json holds them.
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import t from 'tap'

const ROOT = join(import.meta.dirname, '..', '..')

const ALLOWED: Readonly<Record<string, string>> = {
  'src/collect/ok.ts': "import { a } from '../kernel/a.ts'\nexport const b = a",
  'src/resolve/ok.ts': "import type { A } from '../model.ts'\nimport { b } from './b.ts'\nexport const c: A = b",
  'src/resolve/kubernetes/api/ok.ts': "import { E } from '../../../errors.ts'\nimport { b } from './b.ts'\nexport const c = [E, b]",
  'src/resolve/kubernetes/ok.ts': "import type { A } from '../../model.ts'\nimport { b } from '../b.ts'\nexport const c: A = b",
  'src/store/ok.ts': "import { A } from '../metrics.ts'\nimport { parse } from '../address.ts'\nexport const c = parse(A)",
  'src/publish/ok.ts': "import { E } from '../errors.ts'\nimport { log } from '../log.ts'\nlog(E)",
  'src/publish/otlp/ok.ts': "import { E } from '../../errors.ts'\nimport { text } from '../text.ts'\ntext(E)",
  'src/kernel/ok.ts': "import koffi from 'koffi'\nexport const a = koffi",
  'src/export.ts': "import { a } from './store/a.ts'\nimport { b } from './publish/b.ts'\nexport const c = [a, b]",
  'src/commands/ok.ts': "import { a } from '../kernel/a.ts'\nexport const b = a",
  'src/config.ts': 'export const a = process.env.A',
}

const FORBIDDEN: Readonly<Record<string, string>> = {
  'src/collect/store.ts': "import { a } from '../store/a.ts'\nexport const b = a",
  'src/collect/koffi.ts': "import koffi from 'koffi'\nexport const b = koffi",
  'src/kernel/collect.ts': "import { a } from '../collect/a.ts'\nexport const b = a",
  'src/resolve/kernel.ts': "import { a } from '../kernel/a.ts'\nexport const b = a",
  'src/resolve/kubernetes/api/pods.ts': "import { a } from '../pods.ts'\nexport const b = a",
  'src/resolve/kubernetes/api/store.ts': "import { a } from '../../../store/a.ts'\nexport const b = a",
  'src/resolve/type.ts': "import type { A } from '../store/a.ts'\nexport type B = A",
  'src/resolve/kubernetes/store.ts': "import { a } from '../../store/a.ts'\nexport const b = a",
  'src/resolve/kubernetes/type.ts': "import type { A } from '../../kernel/a.ts'\nexport type B = A",
  'src/store/again.ts': "export { a } from '../resolve/a.ts'",
  'src/store/later.ts': "export const a = import('../publish/a.ts')",
  'src/publish/round.ts': "import { a } from '../../src/store/a.ts'\nexport const b = a",
  'src/publish/otlp/server.ts': "import { a } from '../http.ts'\nexport const b = a",
  'src/publish/otlp/store.ts': "import { a } from '../../store/a.ts'\nexport const b = a",
  'src/publish/config.ts': "import { a } from '../config.ts'\nexport const b = a",
  'src/metrics.ts': "import { a } from './store/a.ts'\nexport const b = a",
  'src/commands/koffi.ts': "import koffi from 'koffi'\nexport const b = koffi",
  'src/config/store.ts': "import { a } from '../store/a.ts'\nexport const b = a",
  'src/store/environment.ts': 'export const a = process.env.A',
}

t.test('an import against the arrows is a finding, one along them is none', async (t) => {
  const folder = t.testdir({})
  for (const name of ['biome.json', 'package.json']) copyFileSync(join(ROOT, name), join(folder, name))
  for (const [path, text] of Object.entries({ ...ALLOWED, ...FORBIDDEN })) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), `${text}\n`)
  }
  const { stdout } = spawnSync(join(ROOT, 'node_modules/.bin/biome'), ['lint', '--reporter=github', '--max-diagnostics=none', '.'], {
    cwd: folder,
    encoding: 'utf8',
  })
  const found = [...stdout.matchAll(/title=lint\/style\/(?:noRestrictedImports|noProcessEnv),file=([^,]+)/g)].map(([, file = '']) =>
    relative(folder, resolve(folder, file)),
  )
  t.strictSame(new Set(found), new Set(Object.keys(FORBIDDEN)))
})

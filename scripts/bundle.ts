// Puts into one folder what the exporter needs to run, for the container image: its modules and dependencies in few files, koffi as it
// is, the kernel objects.   node scripts/bundle.ts DIR
// One file is read where hundreds were, and what nobody imports is not there: less memory and a faster start.
import { chmodSync, cpSync, globSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { build, type Plugin } from 'esbuild'

const ROOT = join(import.meta.dirname, '..')
const SOURCES = join(ROOT, 'src')
const MODULES = join(ROOT, 'node_modules')
/** Loads its native part by paths of its own. */
const UNBUNDLED = 'koffi'
/** What went into the bundles, by paths from the root. */
const bundled = new Set<string>()
/** What modules of dependencies expect that were written for require(). */
const BANNER = [
  "import { createRequire as orb8Require } from 'node:module'",
  "import { dirname as orb8Dirname } from 'node:path'",
  'const require = orb8Require(import.meta.url), __filename = import.meta.filename, __dirname = orb8Dirname(__filename)',
].join('\n')

/** Our modules find files beside them: they keep seeing the place that they have in dist/, whichever file they end up in. */
function places(fromFolder: string): Plugin {
  return {
    name: 'places',
    setup: ({ onLoad }) =>
      onLoad({ filter: /\.ts$/ }, ({ path }) => {
        if (!path.startsWith(`${SOURCES}/`)) return undefined
        const place = relative(fromFolder, relative(SOURCES, path)).replace(/\.ts$/, '.js')
        const url = `new URL(${JSON.stringify(`./${place}`)}, import.meta.url)`
        const contents = readFileSync(path, 'utf8')
          .replaceAll('import.meta.filename', `${url}.pathname`)
          .replaceAll(/\bimport\.meta\.url\b/g, (whole) => `${url.replace('import.meta.url', whole)}.href`)
        return { contents, loader: 'ts' }
      }),
  }
}

/** OpenTelemetry's modules call a require() of rolldown's making, of which a bundler knows nothing. */
const requires: Plugin = {
  name: 'requires',
  setup: ({ onLoad }) =>
    onLoad({ filter: /node_modules\/.*\.mjs$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8')
      if (!text.includes('_rolldown/runtime')) return undefined
      return { contents: text.replaceAll(/\b__require\(/g, 'require('), loader: 'js' }
    }),
}

/** `debug` takes it where it is there, for colours; what is installed beside us decides nothing. */
const absent: Plugin = {
  name: 'absent',
  setup: ({ onLoad, onResolve }) => {
    onResolve({ filter: /^supports-color$/ }, ({ path }) => ({ path, namespace: 'absent' }))
    onLoad({ filter: /.*/, namespace: 'absent' }, () => ({ contents: 'module.exports = undefined' }))
  },
}

/** Throws where a module would look for a package at run time: there is none beside it. */
function checkRequires(path: string, text: string): void {
  for (const [, name = ''] of text.matchAll(/\b(?:__)?require\d*\("([^"]+)"\)/g))
    if (name !== '' && !isBuiltin(name)) throw new Error(`${path} would look for ${name} at run time`)
}

async function bundle(target: string, entry: string, splitting: boolean): Promise<void> {
  const folder = dirname(relative(SOURCES, entry))
  const { metafile, outputFiles } = await build({
    absWorkingDir: ROOT,
    metafile: true,
    write: false,
    entryPoints: [entry],
    outdir: join(target, 'dist', folder),
    bundle: true,
    splitting,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    external: [UNBUNDLED],
    banner: { js: BANNER },
    plugins: [places(folder), requires, absent],
    legalComments: 'none', // whole licences are in a file of their own
    logLevel: 'warning',
  })
  for (const path of Object.keys(metafile.inputs)) bundled.add(path)
  for (const { path, text } of outputFiles) {
    checkRequires(path, text)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }
}

const [directory] = process.argv.slice(2)
if (directory === undefined || directory.startsWith('-')) throw new Error('name the folder to write to')
const target = resolve(directory)
mkdirSync(join(target, 'dist'), { recursive: true })
// What is imported when it is needed stays in files of its own.
await bundle(target, join(SOURCES, 'cli.ts'), true)
chmodSync(join(target, 'dist', 'cli.js'), 0o755)
// Threads are started by the path of their file.
for (const worker of globSync('**/worker.ts', { cwd: SOURCES })) await bundle(target, join(SOURCES, worker), false)
await build({
  entryPoints: [join(ROOT, 'scripts', 'healthcheck.ts')],
  outdir: target,
  platform: 'node',
  target: 'node24',
  logLevel: 'warning',
})
cpSync(join(ROOT, 'dist', 'bpf'), join(target, 'dist', 'bpf'), { recursive: true, filter: (path) => !path.endsWith('.inputs') })

const { name, version, license, type } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
writeFileSync(join(target, 'package.json'), `${JSON.stringify({ name, version, license, type }, null, 2)}\n`)
cpSync(join(ROOT, 'LICENSE'), join(target, 'LICENSE'))
// Without koffi's sources in C++.
for (const path of globSync(['koffi/{package.json,LICENSE.txt}', 'koffi/**/*.{js,cjs}', '@koromix/koffi-*/**/*'], { cwd: MODULES }))
  if (statSync(join(MODULES, path)).isFile()) cpSync(join(MODULES, path), join(target, 'node_modules', path))
writeFileSync(join(target, 'THIRD-PARTY-LICENSES'), licences())

/** Of each package that is in the bundle, under its name. */
function licences(): string {
  const packages = [...bundled].map((path) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? '').filter((path) => path !== '')
  return [...new Set(packages)]
    .sort()
    .map((path) => {
      const [file] = globSync('{LICEN[CS]E,license,licence}*', { cwd: join(ROOT, path) })
      const about = JSON.parse(readFileSync(join(ROOT, path, 'package.json'), 'utf8'))
      return `${about.name} ${about.version}: ${about.license}\n\n${file === undefined ? '' : readFileSync(join(ROOT, path, file), 'utf8')}`
    })
    .join(`\n${'-'.repeat(80)}\n`)
}

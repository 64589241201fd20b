// Compiles a kernel program of the tests' own, the way scripts/build.sh compiles the exporter's.
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'

const TOOLCHAIN = fileURLToPath(new URL('../../scripts/toolchain.sh', import.meta.url))

/** Returns the path of the object, in `directory`. */
export function compileBpf(source: string, directory: string): string {
  const object = `${directory}/${basename(source).replace(/\.c$/, '.o')}`
  mkdirSync(directory, { recursive: true })
  const script =
    '. "$0"; exec "$(tool clang)" -target bpfel -mcpu=v3 -g -O2 -Wall -Werror -idirafter "/usr/include/$(uname -m)-linux-gnu" -c "$1" -o "$2"'
  execFileSync('bash', ['-c', script, TOOLCHAIN, source, object], { stdio: 'pipe' })
  return object
}

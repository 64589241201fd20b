// Runs a Dockerfile's stages, instruction by instruction, in roots of bare Debian. Knows what instructions do; nothing of what ours are for.
import { cpSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Undo } from '../harness/undo.ts'
import { addNode, bootstrap, copyRoot, runInside } from './bare-debian.ts'
import { assignments, type Dockerfile, type Instruction, parseDockerfile, type Stage, substitute, words } from './dockerfile.ts'

const REPOSITORY = join(import.meta.dirname, '..', '..')
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

/** What an engine keeps beside the files. */
export interface Image {
  readonly root: string
  readonly env: Map<string, string>
  readonly labels: Map<string, string>
  folder: string
  user: string
  entrypoint: readonly string[]
  command: readonly string[]
  healthcheck: readonly string[]
  ports: readonly string[]
}

export interface Ran {
  readonly stage: string
  readonly text: string
  readonly seconds: number
}

export class Build {
  readonly ran: Ran[] = []
  readonly file: Dockerfile
  readonly #undo: Undo
  readonly #folder: string
  readonly #arguments: ReadonlyMap<string, string>
  readonly #images = new Map<string, Image>()

  /** `folder` takes the roots. `given`: as --build-arg. */
  constructor(undo: Undo, folder: string, given: Readonly<Record<string, string>> = {}) {
    this.#undo = undo
    this.#folder = folder
    this.file = parseDockerfile(readFileSync(join(REPOSITORY, 'Dockerfile'), 'utf8'))
    this.#arguments = new Map(Object.entries(given))
  }

  /** Of all stages, in their order. Undefined where Debian cannot be had: then `why` says it. */
  async all(): Promise<{ readonly why: string } | { readonly images: ReadonlyMap<string, Image> }> {
    const bare = join(this.#folder, 'debian')
    const why = await bootstrap(this.#undo, bare)
    if (why !== undefined) return { why }
    copyRoot(bare, join(this.#folder, 'node'))
    addNode(join(this.#folder, 'node'))
    for (const stage of this.file.stages) this.#images.set(stage.name, await this.#stage(stage))
    return { images: this.#images }
  }

  async #stage(stage: Stage): Promise<Image> {
    const global = new Map(this.file.global.flatMap(({ text }) => [...assignments(text)]))
    const from = substitute(stage.from, global)
    const base = /^(?:node|debian):/.exec(from)?.[0].slice(0, -1)
    if (base === undefined) throw new Error(`stage ${stage.name} is from ${from}: only node and debian are known here`)
    const root = join(this.#folder, `stage-${stage.name}`)
    copyRoot(join(this.#folder, base), root)
    const image: Image = {
      ...{ root, folder: '/', user: '0', entrypoint: [], command: [], healthcheck: [], ports: [] },
      env: new Map([['PATH', PATH]]),
      labels: new Map(),
    }
    const values = new Map<string, string>()
    for (const instruction of stage.instructions) await this.#run(stage, image, values, instruction)
    return image
  }

  async #run(stage: Stage, image: Image, values: Map<string, string>, { word, flags, text, line }: Instruction): Promise<void> {
    const replaced = (): string => substitute(text, new Map([...values, ...image.env]))
    switch (word) {
      case 'ARG': {
        const [name = '', fallback = ''] = text.split('=')
        const own: Readonly<Record<string, string>> = { TARGETARCH: ARCHITECTURES[process.arch] ?? process.arch }
        values.set(name, this.#arguments.get(name) ?? own[name] ?? fallback)
        return
      }
      case 'WORKDIR':
        image.folder = replaced()
        mkdirSync(join(image.root, image.folder), { recursive: true })
        return
      case 'COPY':
        return this.#copy(image, flags.get('from'), replaced())
      case 'RUN': {
        const startedMs = performance.now()
        const ended = await runInside(this.#undo, { ...image, env: new Map([...values, ...image.env]) }, text)
        this.ran.push({ stage: stage.name, text, seconds: (performance.now() - startedMs) / 1000 })
        if (ended.status !== 0) throw new Error(`Dockerfile:${line}: ended with ${ended.status}: ${ended.stderr.slice(-2000)}`)
        return
      }
      case 'ENV':
        for (const [name, value] of assignments(replaced())) image.env.set(name, value)
        return
      case 'LABEL':
        for (const [name, value] of assignments(text)) image.labels.set(name, substitute(value, values))
        return
      case 'USER':
        image.user = replaced()
        return
      case 'EXPOSE':
        image.ports = replaced().split(/\s+/)
        return
      case 'ENTRYPOINT':
        image.entrypoint = words(text)
        return
      case 'CMD':
        image.command = words(text)
        return
      case 'HEALTHCHECK':
        image.healthcheck = words(text.replace(/^.*?CMD\s+/, ''))
        return
      case 'STOPSIGNAL':
        return
      default:
        throw new Error(`Dockerfile:${line}: ${word} is not known here`)
    }
  }

  /** As an engine does: a directory's contents, a file into a directory or to a name. */
  #copy(image: Image, from: string | undefined, text: string): void {
    const paths = text.split(/\s+/)
    const target = paths.pop() ?? ''
    const source = from === undefined ? REPOSITORY : this.#images.get(from)?.root
    if (source === undefined) throw new Error(`COPY --from=${from}: no such stage before this one`)
    const into = join(image.root, target.startsWith('/') ? target : join(image.folder, target))
    for (const path of paths) {
      const found = join(source, path)
      if (!existsSync(found)) throw new Error(`COPY ${path}: it is not there`)
      const isFolder = statSync(found).isDirectory()
      const to = !isFolder && target.endsWith('/') ? join(into, basename(path)) : into
      cpSync(found, to, { recursive: true, verbatimSymlinks: true })
    }
  }
}

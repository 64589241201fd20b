// Debian's Prometheus with targets of the test's own: started, asked by PromQL, ended. Knows no metric.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, get, request } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Child, until } from './child.ts'
import type { Undo } from './undo.ts'

export const SCRAPE_INTERVAL_S = 0.5

export interface Target {
  readonly health: string
  readonly lastError: string
}

/** What promtool has to say of a scrape; nothing where all is well. */
export function promtool(text: string): { code: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })
  return { code: status, said: stdout + stderr }
}

/** Asks the target for one format, whatever its scraper would like: Prometheus before 2.49 cannot be told. Returns its port. */
export async function onlyText(undo: Undo, port: number): Promise<number> {
  const server = createServer((incoming, outgoing) => {
    const headers = { accept: 'text/plain;version=0.0.4', 'accept-encoding': incoming.headers['accept-encoding'] ?? 'identity' }
    const onward = request({ host: '127.0.0.1', port, path: incoming.url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(outgoing)
    })
    onward.on('error', () => outgoing.destroy())
    onward.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = (): void => {
    server.closeAllConnections()
    server.close()
  }
  undo.add({ gently: close, atOnce: close })
  return (server.address() as AddressInfo).port
}

/** Free now; who else could take it meanwhile? */
export async function freePort(): Promise<number> {
  const server = createTcpServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

export interface PrometheusOptions {
  /** Job name to what else its scrape_config has. */
  readonly scrape?: Readonly<Record<string, object>>
  /** A folder with blocks, in place of an empty one. */
  readonly storage?: string
  /** Paths of rule files, evaluated as often as targets are scraped. */
  readonly rules?: readonly string[]
  /** Ports of Alertmanagers on 127.0.0.1. */
  readonly alertmanagers?: readonly number[]
  /** From one scrape to the next, and how long one may take, s. */
  readonly intervalS?: number
}

export interface Vector {
  readonly metric: Readonly<Record<string, string>>
  readonly value: readonly [number, string]
}

export class Prometheus {
  readonly #port: number

  private constructor(port: number) {
    this.#port = port
  }

  /** `targets`: job name to port on 127.0.0.1. */
  static async start(
    undo: Undo,
    targets: Readonly<Record<string, number>>,
    { storage, rules = [], alertmanagers = [], intervalS = SCRAPE_INTERVAL_S, scrape = {} }: PrometheusOptions = {},
  ): Promise<Prometheus> {
    const folder = mkdtempSync(join(tmpdir(), 'orb8-test-prometheus-'))
    const remove = (): void => rmSync(folder, { recursive: true, force: true })
    undo.add({ gently: remove, atOnce: remove })
    const at = (...ports: number[]) => [{ targets: ports.map((port) => `127.0.0.1:${port}`) }]
    const jobs = Object.entries(targets).map(([name, port]) => ({
      job_name: name,
      honor_labels: true,
      static_configs: at(port),
      ...scrape[name],
    }))
    const interval = `${intervalS * 1000}ms`
    // JSON is YAML.
    writeFileSync(
      join(folder, 'prometheus.yml'),
      JSON.stringify({
        global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
        scrape_configs: jobs,
        rule_files: rules,
        alerting: { alertmanagers: [{ static_configs: at(...alertmanagers) }] },
      }),
    )
    const port = await freePort()
    new Child(undo, 'prometheus', [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${storage ?? join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ])
    const prometheus = new Prometheus(port)
    await until('Prometheus to be ready', async () => (await prometheus.#get('/-/ready').catch(() => ({ status: 0 }))).status === 200)
    return prometheus
  }

  get port(): number {
    return this.#port
  }

  /** An instant query; the values by the label asked for. */
  async query(expression: string, label: string): Promise<Record<string, number>> {
    const result = await this.vector(expression)
    return Object.fromEntries(result.map(({ metric, value }) => [metric[label] ?? '', Number(value[1])]))
  }

  /** The same with all labels. `atS`: since the epoch; now where it is left out. */
  async vector(expression: string, atS?: number): Promise<readonly Vector[]> {
    const { result } = await this.#ask<{ result: Vector[] }>('query', {
      query: expression,
      ...(atS === undefined ? {} : { time: String(atS) }),
    })
    return result
  }

  /** What a label is among the series that the selector finds, since `fromS`. */
  async labelValues(label: string, selector: string, fromS: number): Promise<readonly string[]> {
    return this.#ask(`label/${label}/values`, { 'match[]': selector, start: String(fromS) })
  }

  async #ask<T>(path: string, parameters: Readonly<Record<string, string>>): Promise<T> {
    const { body } = await this.#get(`/api/v1/${path}?${new URLSearchParams(parameters)}`)
    const { status, error, data } = JSON.parse(body) as { status: string; error?: string; data: T }
    if (status !== 'success') throw new Error(`${JSON.stringify(parameters)}: ${error}`)
    return data
  }

  /** By job. */
  async targets(): Promise<Record<string, Target>> {
    const { data } = JSON.parse((await this.#get('/api/v1/targets?state=active')).body) as {
      data: { activeTargets: (Target & { labels: { job: string } })[] }
    }
    return Object.fromEntries(data.activeTargets.map(({ labels, health, lastError }) => [labels.job, { health, lastError }]))
  }

  #get(path: string): Promise<{ status: number; body: string }> {
    return new Promise((resolve, reject) => {
      get({ host: '127.0.0.1', port: this.#port, path, agent: false }, (response) => {
        let body = ''
        response.setEncoding('utf8')
        response.on('data', (text: string) => {
          body += text
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
      }).on('error', reject)
    })
  }
}

// Debian's Alertmanager, by itself: started, asked what it has received, ended. Knows no alert.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Child, until } from './child.ts'
import { freePort } from './prometheus.ts'
import type { Undo } from './undo.ts'

export interface ReceivedAlert {
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly status: { readonly state: string }
}

export class Alertmanager {
  readonly port: number

  private constructor(port: number) {
    this.port = port
  }

  /** Tells nobody what it receives. */
  static async start(undo: Undo): Promise<Alertmanager> {
    const folder = mkdtempSync(join(tmpdir(), 'orb8-test-alertmanager-'))
    const remove = (): void => rmSync(folder, { recursive: true, force: true })
    undo.add({ gently: remove, atOnce: remove })
    writeFileSync(join(folder, 'config.yml'), JSON.stringify({ route: { receiver: 'nobody' }, receivers: [{ name: 'nobody' }] }))
    const port = await freePort()
    new Child(undo, 'prometheus-alertmanager', [
      `--config.file=${join(folder, 'config.yml')}`,
      `--storage.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--cluster.listen-address=',
      '--log.level=error',
    ])
    const alertmanager = new Alertmanager(port)
    await until('Alertmanager to be ready', () =>
      fetch(`http://127.0.0.1:${port}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      ),
    )
    return alertmanager
  }

  async alerts(): Promise<readonly ReceivedAlert[]> {
    return (await fetch(`http://127.0.0.1:${this.port}/api/v2/alerts`)).json() as Promise<ReceivedAlert[]>
  }
}

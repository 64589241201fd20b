// Debian's Chromium without a window: opens one page, waits for all that it asks for, and tells what is there then. Knows no page.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { within } from './child.ts'
import type { Undo } from './undo.ts'

/** Of the page's own clock, which stands still while it waits for an answer. */
const PAGE_MS = 10_000
/** It starts in one second, or in thirty where much else runs. */
const PATIENCE_MS = 120_000

const WINDOW = '1400,3000'

export interface Look {
  /** The document as it is in the end. */
  readonly dom: string
  /** What the page or the browser had to say: errors of scripts, what a policy forbade. */
  readonly console: readonly string[]
}

export interface LookOptions {
  /** A PNG of the page goes there. */
  readonly screenshot?: string
}

/** Throws where it does not end in time or not well. */
export async function look(undo: Undo, url: string, { screenshot }: LookOptions = {}): Promise<Look> {
  const folder = mkdtempSync(join(tmpdir(), 'orb8-test-chromium-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  undo.add({ gently: remove, atOnce: remove })
  const browser = spawn(
    'chromium',
    [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--enable-logging=stderr', '--no-first-run'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-extensions', '--hide-scrollbars'],
      `--user-data-dir=${folder}`,
      `--window-size=${WINDOW}`,
      `--virtual-time-budget=${PAGE_MS}`,
      ...(screenshot === undefined ? [] : [`--screenshot=${screenshot}`]),
      '--dump-dom',
      url,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], detached: true },
  )
  const kill = (): void => {
    if (browser.pid !== undefined && browser.exitCode === null && browser.signalCode === null) process.kill(-browser.pid, 'SIGKILL')
  }
  undo.add({ gently: kill, atOnce: kill })
  const { promise, resolve, reject } = Promise.withResolvers<number | null>()
  browser.once('error', reject)
  browser.once('close', resolve)
  const [dom, said, code] = await within(
    Promise.all([text(browser.stdout), text(browser.stderr), promise]),
    `Chromium at ${url}`,
    PATIENCE_MS,
  )
  if (code !== 0) throw new Error(`Chromium ended with ${code}: ${said.slice(-500)}`)
  return { dom, console: said.split('\n').filter((line) => line.includes(':CONSOLE')) }
}

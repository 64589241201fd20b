// This package's version. The same path leads to package.json from src/ and from dist/.
import { readFileSync } from 'node:fs'

export const VERSION: string = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version

/** Who we are to servers that we ask. */
export const USER_AGENT = `orb8-exporter/${VERSION}`

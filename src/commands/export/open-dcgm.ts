// The collector of dcgm-exporter as the settings want it. Knows settings; asks nobody.
import type { DcgmCollector, DcgmCollectorOptions } from '../../collect/dcgm.ts'
import { readBounded } from '../../config/file.ts'
import type { Config } from '../../config.ts'
import { ConfigError } from '../../errors.ts'
import { VERSION } from '../../version.ts'

/** What a scrape told is good for so many intervals. */
const STALE_INTERVALS = 3

export type DcgmSettings = Pick<Config, 'dcgmUrl' | 'dcgmCaFile' | 'collectIntervalMs'>

/** Undefined where none is set. Loaded where it is asked for: undici is megabytes. Throws ConfigError where the file of authorities cannot be read. */
export async function openDcgm(
  { dcgmUrl, dcgmCaFile, collectIntervalMs }: DcgmSettings,
  waits: Pick<DcgmCollectorOptions, 'waitMs'> = {},
): Promise<DcgmCollector | undefined> {
  if (dcgmUrl === undefined) return undefined
  const { DcgmCollector } = await import('../../collect/dcgm.ts')
  const options = { url: dcgmUrl, staleMs: STALE_INTERVALS * collectIntervalMs, userAgent: `orb8/${VERSION}`, ...waits }
  return new DcgmCollector({ ...options, ca: dcgmCaFile === undefined ? undefined : readAuthorities(dcgmCaFile) })
}

function readAuthorities(path: string): string {
  const allowed = 'a PEM file with certificates'
  let text: string
  try {
    text = readBounded(path)
  } catch (error) {
    throw new ConfigError('ORB8_DCGM_CA_FILE', `it cannot be read: ${(error as Error).message}`, allowed)
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----')) throw new ConfigError('ORB8_DCGM_CA_FILE', 'no certificate is in it', allowed)
  return text
}

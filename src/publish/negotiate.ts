// Chooses the text format and the coding that a scraper asks for in its headers. Knows HTTP's quality values; writes nothing.
import type { Format } from './text.ts'

export interface Choice {
  readonly format: Format
  readonly contentType: string
}

/** What is sent to who asks for nothing, for anything, or for what is not known here. */
export const DEFAULT_CHOICE: Choice = { format: 'prometheus', contentType: 'text/plain; version=0.0.4; charset=utf-8' }

interface Preference {
  readonly value: string
  readonly quality: number
  readonly parameters: ReadonlyMap<string, string>
}

/** The format of the highest quality that is known here; among equals the first named. Reads the `Accept` header. */
export function chooseFormat(accept: string | undefined): Choice {
  for (const preference of preferences(accept)) {
    const choice = preference.quality > 0 ? known(preference) : undefined
    if (choice !== undefined) return choice
  }
  return DEFAULT_CHOICE
}

/** Is gzip wanted, at least as much as no coding at all? Reads the `Accept-Encoding` header. */
export function wantsGzip(acceptEncoding: string | undefined): boolean {
  const quality = new Map(preferences(acceptEncoding).map((preference) => [preference.value, preference.quality]))
  const gzip = quality.get('gzip') ?? quality.get('x-gzip') ?? quality.get('*') ?? 0
  return gzip > 0 && gzip >= (quality.get('identity') ?? 0)
}

function known({ value, parameters }: Preference): Choice | undefined {
  if (value === '*/*' || value === 'text/*') return DEFAULT_CHOICE
  const version = parameters.get('version')
  // Every name here is valid without escaping, so that the scheme changes the header and not a byte of the body.
  const escaping = parameters.get('escaping') === 'allow-utf-8' ? '; escaping=allow-utf-8' : ''
  if (value === 'application/openmetrics-text' && (version === undefined || version === '1.0.0'))
    return { format: 'openmetrics', contentType: `application/openmetrics-text; version=1.0.0; charset=utf-8${escaping}` }
  if (value !== 'text/plain') return undefined
  if (version === undefined || version === '0.0.4') return DEFAULT_CHOICE
  if (version === '1.0.0') return { format: 'prometheus', contentType: `text/plain; version=1.0.0; charset=utf-8${escaping}` }
  return undefined
}

/** Best first; equals keep their order. A quality that is no number from 0 to 1 counts as 0. */
function preferences(header = ''): Preference[] {
  return header
    .split(',')
    .map(readPreference)
    .filter(({ value }) => value !== '')
    .sort((one, other) => other.quality - one.quality)
}

function readPreference(text: string): Preference {
  const [value = '', ...rest] = text.split(';').map((part) => part.trim().toLowerCase())
  const parameters = new Map<string, string>()
  for (const parameter of rest) {
    const [name = '', of = ''] = parameter.split('=', 2).map((part) => part.trim())
    parameters.set(name, of.replace(/^"(.*)"$/, '$1'))
  }
  const quality = parameters.get('q') ?? '1'
  return { value, parameters, quality: /^(0(\.\d*)?|1(\.0*)?)$/.test(quality) ? Number(quality) : 0 }
}

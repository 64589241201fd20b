// The keys of a web configuration file, as exporter-toolkit names them: what each allows. Knows single values, not how they go together.
import * as z from 'zod/mini'
import { type Check, words } from './checks.ts'
import { parseGoDuration } from './go-duration.ts'
import { CURVES, SUITES } from './web-tls-words.ts'

export interface Key<T = unknown> {
  readonly check: Check<T>
  readonly allowed: string
  /** The value never appears in an error or a log. */
  readonly secret?: true
}

type ValueOf<K> = K extends Key<infer T> ? T : never
/** What stands in the file; without a value or with an empty text: undefined. */
export type Values<Keys> = { readonly [K in keyof Keys]: ValueOf<Keys[K]> | undefined }

const text = z.string({ error: 'is not text' })
const path: Key<string> = { check: text.check(z.refine((name) => !name.includes('\0'), { error: 'is not a path' })), allowed: 'a path' }
const list = <T>(of: Check<T>, most: number): Check<readonly T[]> =>
  z.pipe(
    z
      .array(of, { error: 'is not a list' })
      .check(z.minLength(1, { error: 'is empty' }), z.maxLength(most, { error: 'is too long a list' })),
    z.transform((items: T[]): readonly T[] => Object.freeze(items)),
  )

/** YAML 1.1, which Go reads, has more words for it than YAML 1.2. */
const bool: Check<boolean> = z.pipe(
  z.union([z.boolean(), z.enum(['yes', 'no', 'on', 'off'])], { error: 'is neither' }),
  z.transform((value: boolean | 'yes' | 'no' | 'on' | 'off') => value === true || value === 'yes' || value === 'on'),
)
const truth: Key<boolean> = { check: bool, allowed: 'true or false' }

const VERSIONS = { TLS12: 'TLSv1.2', TLS13: 'TLSv1.3' } as const
const version: Key<'TLSv1.2' | 'TLSv1.3'> = {
  check: z.pipe(
    words(['TLS12', 'TLS13']),
    z.transform((name: keyof typeof VERSIONS) => VERSIONS[name]),
  ),
  allowed: 'TLS12 or TLS13; older versions of TLS are broken',
}

const AUTH_TYPES = [
  'NoClientCert',
  'RequestClientCert',
  'RequireAnyClientCert',
  'VerifyClientCertIfGiven',
  'RequireAndVerifyClientCert',
] as const

/** Values in PEM are left out of errors whatever they are: they are long, and may be the wrong ones. */
export const TLS_KEYS = {
  cert: { check: text, allowed: 'a certificate in PEM', secret: true },
  key: { check: text, allowed: 'a private key in PEM', secret: true },
  client_ca: { check: text, allowed: 'certificates in PEM', secret: true },
  cert_file: path,
  key_file: path,
  client_ca_file: path,
  client_auth_type: {
    check: z.pipe(
      words([...AUTH_TYPES, 'RequireClientCert']),
      z.transform((type: (typeof AUTH_TYPES)[number] | 'RequireClientCert') =>
        type === 'RequireClientCert' ? 'RequireAnyClientCert' : type,
      ),
    ),
    allowed: AUTH_TYPES.join(', '),
  },
  client_allowed_sans: { check: list(text, 1024), allowed: 'a list of 1 to 1024 DNS names, addresses, e-mail addresses or URIs' },
  min_version: version,
  max_version: version,
  cipher_suites: { check: list(words([...SUITES.keys()]), 64), allowed: `a list out of ${[...SUITES.keys()].join(', ')}` },
  prefer_server_cipher_suites: truth,
  curve_preferences: { check: list(words([...CURVES.keys()]), 16), allowed: `a list out of ${[...CURVES.keys()].join(', ')}` },
} as const satisfies Record<string, Key>

export const HTTP_KEYS = { http2: truth } as const satisfies Record<string, Key>

const header: Key<string> = {
  check: text.check(z.regex(/^[\t\x20-\x7e]{0,4096}$/, { error: 'is not the value of a header' })),
  allowed: 'one line of at most 4096 ASCII characters',
}

export const HEADER_KEYS = {
  'Content-Security-Policy': header,
  'X-Frame-Options': { check: words(['', 'deny', 'sameorigin']), allowed: 'deny or sameorigin' },
  'X-Content-Type-Options': { check: words(['', 'nosniff']), allowed: 'nosniff' },
  'X-XSS-Protection': header,
  'Strict-Transport-Security': header,
} as const satisfies Record<string, Key>

const DAY_MS = 86_400_000
const interval = z.pipe(
  z.pipe(
    z.union([z.string(), z.literal(0)], { error: 'is not a duration' }),
    z.transform((written: string | 0) => parseGoDuration(String(written)) ?? Number.NaN),
  ),
  z.number({ error: 'is not a duration' }).check(z.lte(DAY_MS, { error: 'is longer than a day' })),
)

export const RATE_KEYS = {
  interval: { check: interval, allowed: 'a duration with its unit up to 24h, like 1s or 100ms; 0 for no limit' },
  burst: {
    check: z.int({ error: 'is not a whole number' }).check(z.gte(0, { error: 'is below 0' }), z.lte(1e9, { error: 'is too large' })),
    allowed: 'a whole number of requests, 1 or more',
  },
} as const satisfies Record<string, Key>

/** 2^18 rounds take some 15 s of a core: longer than any scraper waits, so that nobody with such a hash ever gets in. */
const MOST_COST = 18

/** The value of every user. */
export const HASH: Key<string> = {
  check: text.check(
    z.regex(/^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/, { error: 'is no bcrypt hash' }),
    z.refine((hash) => Number(hash.slice(4, 6)) >= 4 && Number(hash.slice(4, 6)) <= MOST_COST, { error: 'has a cost out of range' }),
  ),
  allowed: `a bcrypt hash ($2a$, $2b$ or $2y$) of cost 4 to ${MOST_COST}, as htpasswd -nBC 10 "" makes it`,
  secret: true,
}

// The cipher suites and curves that Go's crypto/tls offers, in OpenSSL's words. Knows names, not what is negotiated.

/** Of TLS 1.2; Go's other suites are insecure by its own list. Those of TLS 1.3 may be named, and are always all on. */
export const SUITES: ReadonlyMap<string, string> = new Map([
  ['TLS_AES_128_GCM_SHA256', 'TLS_AES_128_GCM_SHA256'],
  ['TLS_AES_256_GCM_SHA384', 'TLS_AES_256_GCM_SHA384'],
  ['TLS_CHACHA20_POLY1305_SHA256', 'TLS_CHACHA20_POLY1305_SHA256'],
  ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
  ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'ECDHE-RSA-AES128-GCM-SHA256'],
  ['TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
  ['TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384', 'ECDHE-RSA-AES256-GCM-SHA384'],
  ['TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256', 'ECDHE-ECDSA-CHACHA20-POLY1305'],
  ['TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', 'ECDHE-RSA-CHACHA20-POLY1305'],
  ['TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA', 'ECDHE-ECDSA-AES128-SHA'],
  ['TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA', 'ECDHE-RSA-AES128-SHA'],
  ['TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA', 'ECDHE-ECDSA-AES256-SHA'],
  ['TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA', 'ECDHE-RSA-AES256-SHA'],
])

export const CURVES: ReadonlyMap<string, string> = new Map([
  ['CurveP256', 'P-256'],
  ['CurveP384', 'P-384'],
  ['CurveP521', 'P-521'],
  ['X25519', 'X25519'],
])

const isTls13 = (suite: string): boolean => suite.startsWith('TLS_')

/** OpenSSL's list for Go's names; those with authenticated encryption where none are given. */
export function cipherList(names: readonly string[] | undefined): string {
  const modern = [...SUITES.values()].filter(isTls13)
  const asked = names?.map((name) => SUITES.get(name) ?? name) ?? [...SUITES.values()].filter((suite) => /GCM|CHACHA/.test(suite))
  return [...modern, ...asked.filter((suite) => !isTls13(suite))].join(':')
}

/** Has the list a suite for TLS 1.2? */
export const hasTls12 = (ciphers: string): boolean => ciphers.split(':').some((suite) => !isTls13(suite))

/** OpenSSL's list for Go's names; its own choice where none are given. */
export function curveList(names: readonly string[] | undefined): string {
  return names?.map((name) => CURVES.get(name) ?? name).join(':') ?? 'auto'
}

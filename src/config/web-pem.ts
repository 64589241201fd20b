// Looks at certificates and keys before a server is to use them, and says in words what is wrong. Never repeats a key.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { WebTls } from '../model.ts'

const CERTIFICATES = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g

/** For a chain, and for what clients are checked against. */
export function certificatesProblem(pem: string): string | undefined {
  const found = pem.match(CERTIFICATES) ?? []
  if (found.length === 0) return 'holds no certificate in PEM'
  const broken = found.findIndex((one) => attempt(() => new X509Certificate(one)) instanceof Error)
  return broken < 0 ? undefined : `holds a certificate that is broken, the ${broken + 1}. of ${found.length}`
}

/** `cert` is one without a problem, or a chain that begins with the key's own. */
export function keyProblem(pem: string, cert: string): string | undefined {
  const key = attempt(() => createPrivateKey(pem))
  if (key instanceof Error) {
    return /^(-----BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED)/m.test(pem)
      ? 'holds a private key with a passphrase, which nobody could type'
      : 'holds no private key in PEM'
  }
  return new X509Certificate(cert).checkPrivateKey(key) ? undefined : 'holds a key that does not belong to the certificate'
}

/** What OpenSSL itself has against all of it together, such as keys that are too short. */
export function contextProblem({ clientCa, ...tls }: WebTls): string | undefined {
  const context = attempt(() => createSecureContext({ ...tls, ...(clientCa !== undefined && { ca: clientCa }) }))
  return context instanceof Error ? `is refused by OpenSSL: ${(context as { reason?: string }).reason ?? 'no reason given'}` : undefined
}

function attempt<T>(deed: () => T): T | Error {
  try {
    return deed()
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

// A CA of the test's own, and certificates that it signs. Knows openssl; nothing of who uses them.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './child.ts'

export interface Certificate {
  readonly cert: string
  readonly key: string
}

export class CertificateAuthority {
  readonly cert: string
  readonly #folder: string
  readonly #name: string

  /** `folder` is the test's own, and removed by it. Two with different names do not trust each other. */
  constructor(folder: string, name = 'ca') {
    this.#folder = folder
    this.#name = name
    run(
      'openssl',
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'],
      ...['-subj', `/CN=orb8 test ${name}`, '-keyout', this.#path(`${name}.key`), '-out', this.#path(`${name}.crt`)],
    )
    this.cert = readFileSync(this.#path(`${name}.crt`), 'utf8')
  }

  /** For a server: `names` are what it is dialled by, such as `IP:127.0.0.1` or `DNS:localhost`. */
  server(...names: readonly string[]): Certificate {
    return this.#sign('server', `subjectAltName=${names.join(',')}\nextendedKeyUsage=serverAuth\n`)
  }

  client(commonName: string): Certificate {
    return this.#sign(commonName, 'extendedKeyUsage=clientAuth\n')
  }

  #sign(commonName: string, extensions: string): Certificate {
    const [key, request, cert, file] = ['key', 'csr', 'crt', 'ext'].map((ending) =>
      this.#path(`${this.#name}-${commonName}.${ending}`),
    ) as [string, string, string, string]
    writeFileSync(file, extensions)
    run(
      'openssl',
      ...['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', `/CN=${commonName}`],
      ...['-keyout', key, '-out', request],
    )
    run(
      'openssl',
      ...['x509', '-req', '-days', '1', '-in', request, '-out', cert, '-extfile', file],
      ...['-CA', this.#path(`${this.#name}.crt`), '-CAkey', this.#path(`${this.#name}.key`), '-CAcreateserial'],
    )
    return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
  }

  #path(name: string): string {
    return join(this.#folder, name)
  }
}

// Certificates for one test, made by openssl in a folder of the test's own. Knows keys and names; nothing of who checks them.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './child.ts'

export interface Issued {
  readonly certFile: string
  readonly keyFile: string
  readonly cert: string
  readonly key: string
}

/** `DNS:a`, `IP:127.0.0.1`, as openssl writes them. */
type Names = readonly string[]

const CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']

export class Authority implements Issued {
  readonly certFile: string
  readonly keyFile: string
  readonly cert: string
  readonly key: string
  readonly #folder: string

  constructor(folder: string, name = 'ca') {
    this.#folder = folder
    const made = make(folder, name, ['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign'])
    this.certFile = made.certFile
    this.keyFile = made.keyFile
    this.cert = made.cert
    this.key = made.key
  }

  server(name: string, names: Names = ['DNS:localhost', 'IP:127.0.0.1']): Issued {
    return this.#issue(name, 'serverAuth', names)
  }

  client(name: string, names: Names = []): Issued {
    return this.#issue(name, 'clientAuth', names)
  }

  #issue(name: string, use: string, names: Names): Issued {
    const signed = ['-CA', this.certFile, '-CAkey', this.keyFile]
    const sans = names.length === 0 ? [] : ['-addext', `subjectAltName=${names.join(',')}`]
    return make(this.#folder, name, [...signed, '-addext', 'basicConstraints=CA:FALSE', '-addext', `extendedKeyUsage=${use}`, ...sans])
  }
}

/** Signed by nobody but itself. */
export function selfSigned(folder: string, name: string, newKey: readonly string[] = CURVE, rest: readonly string[] = []): Issued {
  return make(folder, name, rest, newKey)
}

function make(folder: string, name: string, rest: readonly string[], newKey: readonly string[] = CURVE): Issued {
  const [certFile, keyFile] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)]
  run('openssl', 'req', '-x509', ...newKey, '-nodes', '-days', '2', '-subj', `/CN=${name}`, '-keyout', keyFile, '-out', certFile, ...rest)
  return { certFile, keyFile, cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') }
}

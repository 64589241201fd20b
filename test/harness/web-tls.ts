// TLS of the front door as a web configuration file without more asks for it. Knows no files and no servers.
import { cipherList } from '../../src/config/web-tls-words.ts'
import type { WebTls } from '../../src/model.ts'

export const webTls = ({ cert, key }: Pick<WebTls, 'cert' | 'key'>, more: Partial<WebTls> = {}): WebTls => ({
  cert,
  key,
  clientCa: undefined,
  clientAuth: 'NoClientCert',
  allowedSans: undefined,
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: cipherList(undefined),
  honorCipherOrder: true,
  ecdhCurve: 'auto',
  ...more,
})

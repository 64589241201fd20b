// Makes encrypted connections of bare ones, and asks clients for their certificates. Knows TLS; nothing of requests.
import { constants } from 'node:crypto'
import type { Socket } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import type { WebTls } from '../model.ts'
import { alternativeNames, canonical } from './alternative-names.ts'

/** Without an end to its handshake a connection is closed. */
const HANDSHAKE_MS = 10_000

export interface TlsEntranceOptions {
  readonly tls: WebTls
  /** Gets each connection that may go on. */
  readonly pass: (socket: TLSSocket) => void
  readonly handshakeMs?: number | undefined
}

/** Takes a bare connection; whoever fails is closed. */
export type TlsEntrance = (raw: Socket) => void

export function tlsEntrance({ tls, pass, handshakeMs = HANDSHAKE_MS }: TlsEntranceOptions): TlsEntrance {
  const { clientAuth, clientCa } = tls
  const allowed = tls.allowedSans === undefined ? undefined : new Set(tls.allowedSans.map(canonical))
  const server: Server = createServer({
    cert: tls.cert,
    key: tls.key,
    ciphers: tls.ciphers,
    ecdhCurve: tls.ecdhCurve,
    honorCipherOrder: tls.honorCipherOrder,
    minVersion: tls.minVersion,
    maxVersion: tls.maxVersion,
    ...(clientCa !== undefined && { ca: clientCa }),
    requestCert: clientAuth !== 'NoClientCert',
    rejectUnauthorized: clientAuth === 'RequireAndVerifyClientCert',
    // A client's certificate is looked at each time it comes, not remembered by a ticket.
    ...(clientAuth !== 'NoClientCert' && { secureOptions: constants.SSL_OP_NO_TICKET }),
    handshakeTimeout: handshakeMs,
    ALPNProtocols: ['http/1.1'],
  })
  server.on('secureConnection', (socket) => {
    socket.on('error', () => undefined)
    if (mayEnter(socket, tls, allowed)) pass(socket)
    else socket.destroy()
  })
  // What goes wrong before that is the client's to know.
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  return (raw) => void server.emit('connection', raw)
}

function mayEnter(socket: TLSSocket, { clientAuth }: WebTls, allowed: ReadonlySet<string> | undefined): boolean {
  const certificate = clientAuth === 'NoClientCert' ? undefined : socket.getPeerX509Certificate()
  if (certificate === undefined) return clientAuth !== 'RequireAnyClientCert' && clientAuth !== 'RequireAndVerifyClientCert'
  const verifies = clientAuth === 'VerifyClientCertIfGiven' || clientAuth === 'RequireAndVerifyClientCert'
  if (verifies && !socket.authorized) return false
  return allowed === undefined || alternativeNames(certificate).some((name) => allowed.has(name))
}

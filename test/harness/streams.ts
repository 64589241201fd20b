// Opens a connection between two agents, step by step. Both ends keep it under the names `s` (server) and `c` (client).
import type { Agent } from './traffic.ts'

export interface Dialled {
  /** Where the server listens. */
  readonly at?: string
  /** What the client dials, where that differs. */
  readonly to?: string
  readonly serverFamily?: 4 | 6
  readonly clientFamily?: 4 | 6
  readonly kind?: 'tcp' | 'mptcp'
  readonly clientKind?: 'tcp' | 'mptcp'
}

const familyOf = (address: string): 4 | 6 => (address.includes(':') ? 6 : 4)

/** Makes the listener `l`; its port. */
export async function listen(
  server: Agent,
  { at = '127.0.0.1', serverFamily = familyOf(at), kind = 'tcp' }: Dialled = {},
): Promise<number> {
  await server.each(`socket l ${serverFamily} ${kind}`, `bind l ${at} 0`)
  return (await server.say('listen l')).port
}

/** Returns the server's port. */
export async function connect(server: Agent, client: Agent, options: Dialled = {}): Promise<number> {
  const port = await listen(server, options)
  const { at = '127.0.0.1', to = at, clientFamily = familyOf(to), kind = 'tcp', clientKind = kind } = options
  await client.each(`socket c ${clientFamily} ${clientKind}`, `connect c ${to} ${port}`)
  await server.say('accept l s')
  return port
}

/** Both directions at once, each read to the last byte. */
export async function exchange(server: Agent, client: Agent, up: number, down: number): Promise<void> {
  await Promise.all([client.say(`write c ${up}`), server.say(`read s ${up}`)])
  await Promise.all([server.say(`write s ${down}`), client.say(`read c ${down}`)])
}

/** The client's FIN first. */
export async function close(server: Agent, client: Agent): Promise<void> {
  await client.say('shutdown c')
  await server.each('read s', 'close s', 'close l')
  await client.each('read c', 'close c')
}

/** What the client does in a visit. */
export const VISIT = { sent: 100, received: 7 } as const

/** A connection of its own, in which the client says 100 bytes and hears 7. */
export async function visit(server: Agent, client: Agent, at: string): Promise<void> {
  await connect(server, client, { at })
  await exchange(server, client, VISIT.sent, VISIT.received)
  await client.say('close c')
  await server.each('close s', 'close l')
}

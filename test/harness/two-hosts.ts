// Two namespaces with one cable between them, by IPv4 and IPv6.
import { type Namespace, wire } from './namespaces.ts'
import type { Site } from './site.ts'

export const SERVER = '10.11.0.2'
export const SERVER6 = 'fd11::2'

export function twoHosts(site: Site): { clientIn: Namespace; serverIn: Namespace } {
  const [clientIn, serverIn] = [site.namespace('client'), site.namespace('server')]
  wire(clientIn, serverIn, [
    ['10.11.0.1/24', `${SERVER}/24`],
    ['fd11::1/64', `${SERVER6}/64`],
  ])
  return { clientIn, serverIn }
}

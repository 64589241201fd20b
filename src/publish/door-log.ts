// What the log says of the rules of the door: those that come into force, and those that do not. Holds nobody off.
import type { Logger } from '../log.ts'
import type { DoorOptions } from './door.ts'

export function tellDoor(log: Logger): NonNullable<DoorOptions['tell']> {
  return {
    changed({ tls, users, rateLimit, warnings }) {
      const clientCertificates = tls?.clientAuth ?? 'NoClientCert'
      log.info({ tls: tls !== undefined, clientCertificates, users: users.size, rateLimit }, 'the web configuration is in force')
      for (const warning of warnings) log.warn(warning)
    },
    refused: (error) => log.error({ err: error }, 'the web configuration is wrong: the one before stays in force'),
  }
}

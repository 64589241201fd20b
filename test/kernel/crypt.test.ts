import t from 'tap'
import { openCrypt } from '../../src/kernel/crypt.ts'

// Vectors that other implementations publish: openwall's crypt_blowfish, and exporter-toolkit's dummy.
const KNOWN: readonly (readonly [string, string])[] = [
  ['U*U', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'],
  ['U*U*U', '$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a'],
  ['\xff\xff\xa3', '$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e'],
  ['fakepassword', '$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi'],
]

t.test('bcrypt hashes that others made are made again', async (t) => {
  const crypt = await openCrypt()
  for (const [password, hash] of KNOWN) {
    t.equal(await crypt(Buffer.from(password, 'latin1'), hash), hash)
    t.not(await crypt(Buffer.from(`${password}x`, 'latin1'), hash), hash)
  }
})

t.test('the letters a, b and y make the same hash', async (t) => {
  const crypt = await openCrypt()
  const [password, setting] = [Buffer.from('\xff\xa334\xff\xff\xff\xa3345', 'latin1'), '05$/OK.fbVrR/bpIqNJ5ianF.']
  const hashes = await Promise.all(['a', 'b', 'y'].map((letter) => crypt(password, `$2${letter}$${setting}${'.'.repeat(31)}`)))
  t.equal(new Set(hashes.map((hash) => hash?.slice(4))).size, 1)
  t.match(hashes[0], /^\$2a\$05\$/)
})

t.test('a password that crypt would cut short has no hash', async (t) => {
  const crypt = await openCrypt()
  const setting = `$2b$04$${'.'.repeat(53)}`
  t.equal(await crypt(Buffer.from('open\0sesame'), setting), undefined)
  t.equal(await crypt(Buffer.alloc(512, 'a'), setting), undefined)
  t.match(await crypt(Buffer.alloc(511, 'a'), setting), /^\$2b\$04\$/)
  t.match(await crypt(Buffer.alloc(0), setting), /^\$2b\$04\$/)
  t.equal(await crypt(Buffer.from('a'), 'no setting'), undefined)
})

t.test('the event loop goes on while a hash is computed', async (t) => {
  const crypt = await openCrypt()
  let turns = 0
  const timer = setInterval(() => turns++, 1)
  await crypt(Buffer.from('fakepassword'), '$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi')
  clearInterval(timer)
  t.ok(turns > 3, `${turns} turns`)
})

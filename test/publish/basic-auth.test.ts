import t from 'tap'
import { BasicAuth, type Crypt } from '../../src/publish/basic-auth.ts'

const SETTING = '$2b$04$abcdefghijklmnopqrstuu'
const HASH_LENGTH = 31
/** Stands for bcrypt where only the calls matter. */
const hashOf = (password: string, setting = SETTING): string => setting.slice(0, 29) + password.padEnd(HASH_LENGTH, '.')
const basic = (user: string, password: string): string => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

interface Watched {
  readonly crypt: Crypt
  readonly settings: string[]
}

function watched(gate: () => Promise<void> = async () => undefined): Watched {
  const settings: string[] = []
  return {
    settings,
    crypt: async (password, setting) => {
      settings.push(setting)
      await gate()
      return hashOf(password.toString(), setting)
    },
  }
}

const USERS = new Map([
  ['alice', hashOf('sesame')],
  ['bøb', hashOf('with:colon', '$2b$05$ABCDEFGHIJKLMNOPQRSTUu')],
])

t.test('the right ones come in, all others do not', async (t) => {
  const { crypt } = watched()
  const auth = new BasicAuth(USERS, Promise.resolve(crypt))
  const table: readonly (readonly [string | undefined, string])[] = [
    [basic('alice', 'sesame'), 'granted'],
    [basic('bøb', 'with:colon'), 'granted'],
    [basic('alice', 'sesame').replace('Basic', 'bASIC  '), 'granted'],
    [basic('alice', 'Sesame'), 'refused'],
    [basic('alice', ''), 'refused'],
    [basic('alice', 'with:colon'), 'refused'],
    [basic('Alice', 'sesame'), 'refused'],
    [basic('', ''), 'refused'],
    [undefined, 'refused'],
    ['', 'refused'],
    ['Basic', 'refused'],
    ['Basic ???', 'refused'],
    [`Basic ${Buffer.from('alice').toString('base64')}`, 'refused'],
    [`Bearer ${Buffer.from('alice:sesame').toString('base64')}`, 'refused'],
    [`${basic('alice', 'sesame')}, ${basic('alice', 'sesame')}`, 'refused'],
  ]
  // The second time from what is remembered.
  for (const round of [1, 2])
    for (const [header, opinion] of table) t.equal(await auth.check(header, '::1'), opinion, `${round}: ${header}`)
})

t.test('each password is looked at once, right or wrong, also by many at once', async (t) => {
  const { crypt, settings } = watched()
  const auth = new BasicAuth(USERS, Promise.resolve(crypt))
  const many = await Promise.all(Array.from({ length: 500 }, () => auth.check(basic('alice', 'sesame'), '::1')))
  t.ok(many.every((opinion) => opinion === 'granted'))
  t.equal(settings.length, 1)
  for (let i = 0; i < 3; i++) t.equal(await auth.check(basic('alice', 'wrong'), '::1'), 'refused')
  t.equal(settings.length, 2)
})

t.test('a user who does not exist takes the work of one who does, always the same one', async (t) => {
  const { crypt, settings } = watched()
  const auth = new BasicAuth(USERS, Promise.resolve(crypt))
  for (const password of ['sesame', 'with:colon', 'x']) t.equal(await auth.check(basic('mallory', password), '::1'), 'refused')
  t.equal(settings.length, 3)
  t.equal(new Set(settings).size, 1)
  t.ok([...USERS.values()].includes(settings[0] ?? ''))
  for (let i = 0; i < 40; i++) await auth.check(basic(`mallory-${i}`, 'x'), `10.0.0.${i}`)
  t.equal(new Set(settings).size, 2, 'not always the same user')
})

t.test('a flood of wrong passwords is turned away at its own bound; who is known comes in, who is new has his turn', async (t) => {
  let gate = Promise.resolve()
  const { crypt } = watched(() => gate)
  const auth = new BasicAuth(USERS, Promise.resolve(crypt))
  t.equal(await auth.check(basic('alice', 'sesame'), '10.0.0.1'), 'granted')
  const held = Promise.withResolvers<void>()
  gate = held.promise
  const flood = Array.from({ length: 1000 }, (_, i) => auth.check(basic('alice', `guess-${i}`), '10.0.0.66'))
  t.equal(await auth.check(basic('alice', 'sesame'), '10.0.0.66'), 'granted', 'known already')
  const newcomer = auth.check(basic('bøb', 'with:colon'), '10.0.0.2')
  held.resolve()
  t.equal(await newcomer, 'granted')
  const opinions = await Promise.all(flood)
  const lookedAt = opinions.filter((opinion) => opinion === 'refused').length
  t.ok(lookedAt === 8 || lookedAt === 9, `eight wait, one may be under way: ${lookedAt}`)
  t.equal(opinions.filter((opinion) => opinion === 'busy').length, 1000 - lookedAt)
})

t.test('wrong passwords without end push out wrong ones only', async (t) => {
  const { crypt, settings } = watched()
  const auth = new BasicAuth(USERS, Promise.resolve(crypt))
  await auth.check(basic('alice', 'sesame'), '::1')
  await auth.check(basic('alice', 'first'), '::1')
  for (let i = 0; i < 1024; i++) await auth.check(basic('alice', `guess-${i}`), '::1')
  const before = settings.length
  t.equal(await auth.check(basic('alice', 'sesame'), '::1'), 'granted')
  t.equal(settings.length, before)
  await auth.check(basic('alice', 'first'), '::1')
  t.equal(settings.length, before + 1, 'the oldest wrong one was forgotten')
})

t.test('where hashes cannot be computed nobody comes in, and the next one is tried again', async (t) => {
  let works = false
  const crypt: Crypt = async (password, setting) => {
    if (!works) throw new Error('no memory')
    return hashOf(password.toString(), setting)
  }
  const auth = new BasicAuth(USERS, Promise.resolve(crypt))
  await t.rejects(auth.check(basic('alice', 'sesame'), '::1'), { message: 'no memory' })
  works = true
  t.equal(await auth.check(basic('alice', 'sesame'), '::1'), 'granted')
  const nothing = new BasicAuth(
    USERS,
    Promise.resolve<Crypt>(async () => undefined),
  )
  t.equal(await nothing.check(basic('alice', ''), '::1'), 'refused')
})

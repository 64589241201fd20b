import t from 'tap'
import { ALL_SETTINGS } from '../../src/config/settings.ts'

t.test('no two settings share a flag, a variable or a key', async (t) => {
  for (const key of ['flag', 'variable', 'fileKey'] as const)
    t.equal(new Set(ALL_SETTINGS.map((setting) => setting[key])).size, ALL_SETTINGS.length, key)
})

t.test('flag, variable and key of a setting are one name', async (t) => {
  for (const { flag, variable, fileKey } of ALL_SETTINGS) {
    t.equal(flag, `--${fileKey.replaceAll('_', '-')}`)
    t.equal(variable.replace(/^ORB8_/, '').toLowerCase(), fileKey)
  }
})

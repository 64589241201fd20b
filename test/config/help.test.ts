import t from 'tap'
import { settingsHelp } from '../../src/config/help.ts'
import { ALL_SETTINGS } from '../../src/config/settings.ts'

t.test('every setting is there with flag, variable, key, default and meaning', async (t) => {
  // One paragraph a setting, its lines joined.
  const paragraphs = settingsHelp()
    .split('\n\n')
    .map((paragraph) => paragraph.replaceAll(/\s+/g, ' ').trim())
  for (const { flag, variable, fileKey, fallback, fallbackShown, help } of ALL_SETTINGS) {
    const paragraph = paragraphs.find((one) => one.startsWith(`${flag}=`)) ?? ''
    for (const part of [variable, `in the file ${fileKey}`, `default: ${fallbackShown ?? fallback}`, help])
      t.ok(paragraph.includes(part), `${flag}: ${part}`)
  }
})

t.test('no line is wider than 90 columns or ends in a blank', async (t) => {
  for (const line of settingsHelp().split('\n')) t.ok(line.length <= 90 && line === line.trimEnd(), line)
})

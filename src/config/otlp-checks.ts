// The kinds of values that OpenTelemetry's settings have, as its specification reads them: words and booleans in any case, times in
// whole milliseconds. Each message goes on from the value: `"maybe" is neither true nor false`.
import * as z from 'zod/mini'
import type { Check } from './checks.ts'
import { type Endpoint, parseEndpoint } from './endpoint.ts'
import { type KeyValue, parseAttributes, parseHeaders } from './key-values.ts'

const plain = z.pipe(
  z.string({ error: 'is not text' }),
  z.transform((text: string) => text.trim()),
)

const lower: Check<string> = z.pipe(
  plain,
  z.transform((text: string) => text.toLowerCase()),
)

export const anyCaseWords = <const Word extends string>(list: readonly Word[]): Check<Word> =>
  z.pipe(lower, z.enum(list, { error: 'is none of them' }))

const truth = z.pipe(
  z.pipe(lower, z.enum(['true', 'false'], { error: 'is neither true nor false' })),
  z.transform((word) => word === 'true'),
)

export const boolean: Check<boolean> = z.union([z.boolean(), truth], { error: 'is neither true nor false' })

/** Empty: none. */
const orNone = <T>(read: (text: string) => T | string): Check<T | undefined> =>
  z.pipe(
    plain,
    z.transform((text: string, context): T | undefined => {
      if (text === '') return undefined
      const value = read(text)
      if (typeof value !== 'string') return value
      context.issues.push({ code: 'custom', message: value, input: text })
      return z.NEVER
    }),
  )

export const endpoint: Check<Endpoint | undefined> = orNone(parseEndpoint)

/** A path as it is, looked up by whoever opens it; empty where there is none. */
export const file: Check<string> = z.pipe(plain, z.string().check(z.regex(/^[^\0]{0,4095}$/, { error: 'is too long for a path' })))

export const serviceName: Check<string> = z.pipe(
  plain,
  z.string().check(z.regex(/^[^\p{Cc}\p{Zl}\p{Zp}]{0,255}$/u, { error: 'is not a name' })),
)

const pairs = (read: (input: string | Record<string, string>) => readonly KeyValue[] | string): Check<readonly KeyValue[]> =>
  z.pipe(
    z.union([z.string(), z.record(z.string(), z.string())], { error: 'is not a list of key=value' }),
    z.transform((input: string | Record<string, string>, context): readonly KeyValue[] => {
      const value = read(input)
      if (typeof value !== 'string') return value
      context.issues.push({ code: 'custom', message: value, input })
      return z.NEVER
    }),
  )

export const headers: Check<readonly KeyValue[]> = pairs(parseHeaders)
export const attributes: Check<readonly KeyValue[]> = pairs(parseAttributes)

const EXPORTERS = ['otlp', 'prometheus', 'none']

/** Which of the exporters the specification knows are asked for. /metrics is there with and without `prometheus`. */
export const exporters: Check<'otlp' | 'none'> = z.pipe(
  lower,
  z.transform((text: string, context): 'otlp' | 'none' => {
    const names = text.split(',').map((name) => name.trim())
    if (names.every((name) => EXPORTERS.includes(name))) return names.includes('otlp') ? 'otlp' : 'none'
    context.issues.push({ code: 'custom', message: 'names an exporter that is not here', input: text })
    return z.NEVER
  }),
)

// The kinds of values that settings have, as zod checks: text from a flag or variable, or what YAML made of it, in; the value out.
// Each message goes on from the value: `"0" is out of range`.
import * as z from 'zod/mini'
import type { FlowLabelName } from '../metrics.ts'
import { type NamedNetwork, parseNetworks, splitNetworks } from './cidrs.ts'
import { formatDuration, parseDuration } from './duration.ts'
import { parseFlowLabels } from './flow-labels.ts'
import { type Listen, parseListen } from './listen.ts'

/** Any input, a T out. */
export type Check<T> = z.ZodMiniType<T, unknown>

const text = z.string({ error: 'is not text' })

/** Goes on with a reader that answers the value, or in words why not. */
const reader = <In, Out extends object>(read: (input: In) => Out | string) =>
  z.transform((input: In, context): Out => {
    const value = read(input)
    if (typeof value !== 'string') return value
    context.issues.push({ code: 'custom', message: value, input })
    return z.NEVER
  })

export const whole = (least: number, most: number): Check<number> => {
  const digits = z.pipe(z.string().check(z.regex(/^\d{1,15}$/)), z.transform(Number))
  const range = { error: 'is out of range' }
  const number = z.int({ error: 'is not a whole number' }).check(z.gte(least, range), z.lte(most, range))
  return z.pipe(z.union([z.number(), digits], { error: 'is not a whole number' }), number)
}

export const words = <const Word extends string>(list: readonly Word[]): Check<Word> => z.enum(list, { error: 'is none of them' })

/** Milliseconds, both ends included. */
export const duration = (leastMs: number, mostMs: number): Check<number> => {
  const notOne = 'is not a duration (a number with d, h, m, s or ms)'
  const range = { error: `is not between ${formatDuration(leastMs)} and ${formatDuration(mostMs)}` }
  const ms = z.transform((written: string) => parseDuration(written) ?? Number.NaN)
  return z.pipe(z.pipe(z.string({ error: notOne }), ms), z.number({ error: notOne }).check(z.gte(leastMs, range), z.lte(mostMs, range)))
}

/** A name as Kubernetes or the kernel gives it: no control characters, at most 253 characters. */
export const name: Check<string> = text.check(z.regex(/^[^\p{Cc}\p{Zl}\p{Zp}]{1,253}$/u, { error: 'is not a name' }))

export const yesOrNo: Check<boolean> = z.pipe(
  z.union([z.boolean(), words(['true', 'false'])], { error: 'is neither true nor false' }),
  z.transform((written: boolean | 'true' | 'false') => written === true || written === 'true'),
)

/** A path from the root. Not looked up. */
export const absolutePath: Check<string> = text.check(
  z.refine((path) => path.startsWith('/') && !path.includes('\0'), { error: 'is not an absolute path' }),
  z.maxLength(4095, { error: 'is too long for a path' }),
)

/** Paths with colons between, or nothing. Not looked up. */
export const pathList: Check<readonly string[]> = z.pipe(
  text.check(
    z.refine((list) => !list.includes('\0'), { error: 'is no list of paths' }),
    z.maxLength(65_535, { error: 'is too long for a list of paths' }),
  ),
  z.transform((list: string) => Object.freeze(list.split(':').filter((path) => path !== ''))),
)

/** `auto`, or a path from the root. Not looked up. */
export const autoOrPath: Check<string> = text.check(
  z.refine((path) => path === 'auto' || (path.startsWith('/') && !path.includes('\0')), { error: 'is not an absolute path' }),
  z.maxLength(4095, { error: 'is too long for a path' }),
)

/** Nothing, or what `check` makes of it. */
const none = <T>(check: Check<T>): Check<T | undefined> =>
  z.union([
    z.pipe(
      z.literal(''),
      z.transform(() => undefined),
    ),
    check,
  ]) as Check<T | undefined>

/** Nothing, or a path from the root. Not looked up. */
export const noneOrPath: Check<string | undefined> = none(
  text.check(
    z.refine((path) => path.startsWith('/') && !path.includes('\0'), { error: 'is not an absolute path' }),
    z.maxLength(4000, { error: 'is too long for a path' }),
  ),
)

/** Nothing, or an address of a web server, as it was written. */
export const noneOrUrl: Check<string | undefined> = none(
  text.check(
    z.refine((url) => /^https?:\/\//i.test(url) && URL.canParse(url) && !/\s/.test(url), { error: 'is not an http or https address' }),
    z.maxLength(2048, { error: 'is too long for an address' }),
  ),
)

export const noneOrWhole = (least: number, most: number): Check<number | undefined> => none(whole(least, most))

const commaList = z.pipe(
  text,
  z.transform((list: string) => list.split(',').map((item) => item.trim())),
)

export const listen: Check<readonly Listen[]> = z.pipe(
  z.union([commaList, z.array(z.string())], { error: 'is not text' }),
  reader((list: string[]) => parseListen(list)),
)

/** A path, also one from the working directory; an empty text is none. Not looked up. */
export const optionalPath: Check<string | undefined> = z.pipe(
  text.check(
    z.refine((path) => !path.includes('\0'), { error: 'is not a path' }),
    z.maxLength(4095, { error: 'is too long for a path' }),
  ),
  z.transform((path: string) => (path === '' ? undefined : path)),
)

export const flowLabels: Check<readonly FlowLabelName[]> = z.pipe(
  z.union([commaList, z.array(z.string())], { error: 'is not a list of labels' }),
  reader((list: string[]) => parseFlowLabels(list)),
)

const networkMap = z.pipe(
  z.record(z.string(), z.union([z.string(), z.array(z.string())])),
  z.transform((map: Record<string, string | string[]>) =>
    Object.entries(map).flatMap(([key, cidrs]) => [cidrs].flat().map((cidr): readonly [string, string] => [key, cidr])),
  ),
)

export const networks: Check<readonly NamedNetwork[]> = z.pipe(
  z.union([z.pipe(z.string(), z.transform(splitNetworks)), networkMap], { error: 'is not a list of networks' }),
  reader(parseNetworks),
)

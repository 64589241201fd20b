// 32-bit hashes that tell damage from data (MurmurHash3's steps over 32-bit words). No defence against whoever wants to deceive.

const scratch = new Float64Array(1)
const scratchWords = new Uint32Array(scratch.buffer)

/** One more word. */
export function mix(hash: number, word: number): number {
  const first = Math.imul(word, 0xcc9e2d51)
  const mixed = hash ^ Math.imul((first << 15) | (first >>> 17), 0x1b873593)
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0
}

/** The words from `from` up to `to`. */
export function mixWords(hash: number, words: Uint32Array, from: number, to: number): number {
  let mixed = hash
  for (let index = from; index < to; index++) mixed = mix(mixed, words[index] as number)
  return mixed
}

/** Any number, by its bits. */
export function mixNumber(hash: number, number: number): number {
  scratch[0] = number
  return mix(mix(hash, scratchWords[0] as number), scratchWords[1] as number)
}

/** Spreads what was mixed over 32 bits: 0 to 2^32 - 1. */
export function finish(hash: number): number {
  const first = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  const second = Math.imul(first ^ (first >>> 13), 0xc2b2ae35)
  return (second ^ (second >>> 16)) >>> 0
}

export function hashText(seed: number, text: string): number {
  let hash = seed
  for (let index = 0; index < text.length; index++) hash = mix(hash, text.charCodeAt(index))
  return finish(mix(hash, text.length))
}

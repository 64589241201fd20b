import t from 'tap'
import { finish, hashText, mixNumber, mixWords } from '../../src/store/hash.ts'

t.test('it is MurmurHash3 for whole words', async (t) => {
  const test = new Uint32Array(new TextEncoder().encode('test').buffer)
  t.equal(finish(mixWords(0, test, 0, 1) ^ 4), 0xba6bd213)
})

t.test('every bit of every word counts, and their order', async (t) => {
  const words = new Uint32Array([1, 2, 0, 0])
  const seen = new Set([finish(mixWords(7, words, 0, 4))])
  for (let word = 0; word < 4; word++) {
    for (let bit = 0; bit < 32; bit++) {
      const changed = words.slice()
      changed[word] = (changed[word] as number) ^ (1 << bit)
      seen.add(finish(mixWords(7, changed, 0, 4)))
    }
  }
  seen.add(finish(mixWords(7, new Uint32Array([2, 1, 0, 0]), 0, 4)))
  t.equal(seen.size, 1 + 128 + 1)
})

t.test('every bit of a number counts', async (t) => {
  const numbers = [0, -0, 1, 1 + Number.EPSILON, 2 ** 32, 2 ** 53, 0.1, -1]
  t.equal(new Set(numbers.map((number) => finish(mixNumber(3, number)))).size, numbers.length)
})

t.test('texts that differ by one sign, by length or by seed hash apart', async (t) => {
  const hashes = [hashText(1, 'abc'), hashText(1, 'abd'), hashText(1, 'ab'), hashText(1, 'abc\0'), hashText(2, 'abc'), hashText(1, '')]
  t.equal(new Set(hashes).size, hashes.length)
})

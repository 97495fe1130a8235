import { describe, expect, it } from 'vitest'
import { WORD_HASHES } from '../src/classify/sql/word-hashes.generated.ts'
import { getKeyword, hashOf, hashStep, WORD_LISTS } from '../src/classify/sql/word-list.ts'
import { findName, findWord, getInformation, getName } from '../src/classify/sql/words.ts'

const WORDS = WORD_LISTS.flatMap(([list]) => list.split(' '))

/** As the lexer finds it: bytes, and a hash over them as they are folded. */
function findInText(word: string, text: string): number {
  const bytes = new TextEncoder().encode(text)
  const hash = [...word.toLowerCase()].reduce((so, letter) => hashStep(so, letter.charCodeAt(0)), 0)
  return findWord(bytes, 0, word.length, hash)
}

describe('the table of words', () => {
  it('has the hashes of its words: else run scripts/generate-word-hashes.ts', () => {
    const bytes = Buffer.from(WORD_HASHES, 'base64')
    expect(WORDS.map((_, index) => bytes.readInt32LE(4 * index))).toEqual(WORDS.map(hashOf))
    expect(bytes.length).toBe(4 * WORDS.length)
  })

  it('finds each of them, in text of any case and by its name', () => {
    for (const word of WORDS) {
      expect(getName(findName(word))).toBe(word)
      expect(findInText(word, `${word}(`)).toBe(findName(word))
      expect(findInText(word.toUpperCase(), `${word.toUpperCase()} `)).toBe(findName(word))
    }
  })

  it('has what every list says of a word', () => {
    for (const [list, bits] of WORD_LISTS) {
      for (const word of list.split(' ')) expect(getInformation(findName(word)) & bits).toBe(bits)
    }
    expect(getKeyword(getInformation(findName('select')))).toBe(1)
  })

  it('finds nothing else', () => {
    const known = new Set(WORDS)
    for (const word of WORDS) {
      for (const other of [`${word}x`, word.slice(0, -1), `${word} `, `x${word}`]) {
        if (known.has(other)) continue
        expect(findName(other), other).toBe(0)
        expect(findInText(other, `${other};`), other).toBe(0)
      }
    }
  })
})

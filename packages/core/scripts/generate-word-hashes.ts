import { writeFileSync } from 'node:fs'
import { hashOf, WORD_LISTS } from '../src/classify/sql/word-list.ts'

// Run it after a change of the words: `node packages/core/scripts/generate-word-hashes.ts`.

const words = WORD_LISTS.flatMap(([list]) => list.split(' '))
const bytes = Buffer.alloc(4 * words.length)
for (const [index, word] of words.entries()) bytes.writeInt32LE(hashOf(word), 4 * index)
const source = `// Made by scripts/generate-word-hashes.ts from word-list.ts. Do not edit: run it again.

/** The hash of each word, in the order of the lists: 32 bits, little-endian, in base64. */
export const WORD_HASHES: string =
  '${bytes.toString('base64')}'
`
writeFileSync(new URL('../src/classify/sql/word-hashes.generated.ts', import.meta.url), source)

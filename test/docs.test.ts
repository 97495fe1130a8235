import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { readmeBlocks } from './packaging/readme-blocks.ts'

const ROOT = resolve(import.meta.dirname, '..')

/** Every page that a reader may meet, relative to the repository. */
const pages = ['', 'docs', 'bench', 'test', 'packages', 'examples'].flatMap((folder) =>
  markdownIn(folder, folder === ''),
)

function markdownIn(folder: string, isFlat: boolean): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isFile()) return entry.name.endsWith('.md') ? [path] : []
    return isFlat || entry.name === 'node_modules' || entry.name === 'dist' ? [] : markdownIn(path, false)
  })
}

/** What a page says, sentence by sentence, wherever its lines break. */
function sentencesOf(page: string): string[] {
  const text = readFileSync(join(ROOT, page), 'utf8')
  return text.replace(/\n(?=\S)/g, ' ').split(/(?<=[.:;])\s|\n/)
}

test('the pages are found', () => {
  expect(pages).toEqual(
    expect.arrayContaining(['README.md', 'SECURITY.md', 'docs/promises.md', 'packages/http/README.md']),
  )
})

test('P4: forbidReplay() is shown before the deed, never behind it', async () => {
  let shown = 0
  for (const page of pages) {
    for (const sentence of sentencesOf(page)) {
      expect(sentence, page).not.toMatch(/`forbidReplay\(\)` (?:after|behind)|has done what must not happen twice/)
    }
    for (const { code, line } of await readmeBlocks(join(ROOT, page))) {
      const [, ...behind] = code.split(/^\s*forbidReplay\(\)/m)
      if (behind.length === 0) continue
      shown += 1
      // A call without a deed behind it would stand behind the deed.
      expect(behind.at(-1), `${page}, line ${line}`).toMatch(/^(?:\s*\/\/)?.*\n\s*(?:await )?\w+/)
      expect(code, `${page}, line ${line}`).toMatch(/ensurePrimary\(\).*forbidReplay\(\)/s)
    }
  }
  expect(shown).toBeGreaterThan(0)
})

test('P4: who promises one replay at most says under which secret', () => {
  const promises = pages.flatMap((page) =>
    sentencesOf(page)
      .filter((sentence) => /replayed at most once|never replayed again/.test(sentence))
      .map((sentence) => ({ page, sentence })),
  )
  expect(promises.length).toBeGreaterThan(1)
  for (const { page, sentence } of promises) expect(sentence, page).toMatch(/secret/i)
})

test('nobody is told to install from npm what is not there, and save() is not awaited as if it gave a promise', () => {
  for (const page of pages) {
    const text = readFileSync(join(ROOT, page), 'utf8')
    expect(text, page).not.toMatch(/npm (?:install|i|add) (?:-\S+ )*@headwater\//)
    expect(text, page).not.toMatch(/await req(?:uest)?\.session\.save\(\)/)
  }
})

test('what the pages link to is there', () => {
  for (const page of pages) {
    const links = readFileSync(join(ROOT, page), 'utf8').matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)
    for (const [, link = ''] of links) {
      const target = resolve(ROOT, page, '..', link)
      expect(() => readdirOrFile(target), `${relative(ROOT, target)}, in ${page}`).not.toThrow()
    }
  }
})

function readdirOrFile(path: string): void {
  try {
    readFileSync(path)
  } catch (error) {
    if (Reflect.get(Object(error), 'code') !== 'EISDIR') throw error
  }
}

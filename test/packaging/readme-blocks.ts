import { readFile } from 'node:fs/promises'

/** A piece of TypeScript that a reader is shown. */
export interface ReadmeBlock {
  readonly line: number
  readonly code: string
}

/**
 * The blocks of a Markdown file that are marked `ts`, or with `mark`; those marked `ts fragment` cannot stand alone and
 * are left out.
 */
export async function readmeBlocks(file: string, mark = 'ts'): Promise<readonly ReadmeBlock[]> {
  const text = await readFile(file, 'utf8')
  return [...text.matchAll(/^```(ts[^\n]*)\n(.*?)^```$/gms)]
    .filter(([, info = '']) => info.trim() === mark)
    .map((match) => ({ line: text.slice(0, match.index).split('\n').length, code: match[2] ?? '' }))
}

/** What a reader has from the lines before: the app of the framework that a block imports, and the pool. */
const ALREADY_THERE: readonly { readonly name: string; readonly when: RegExp; readonly type: string }[] = [
  { name: 'pool', when: /\bpool\b/, type: "import('@headwater/pg').RoutedPool" },
  { name: 'app', when: /@headwater\/http\/hono/, type: "import('hono').Hono" },
  { name: 'app', when: /@headwater\/http\/express/, type: "import('express').Express" },
  { name: 'app', when: /@headwater\/http\/koa/, type: "import('koa')" },
]

/** The block as a module of its own. */
export function moduleOf({ code }: ReadmeBlock): string {
  const given = ALREADY_THERE.filter(
    ({ name, when }) => when.test(code) && !new RegExp(`\\b(?:const|let|using) ${name}\\b`).test(code),
  )
  return `${given.map(({ name, type }) => `declare const ${name}: ${type}\n`).join('')}${code}\nexport {}\n`
}

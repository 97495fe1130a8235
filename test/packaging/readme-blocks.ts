import { readFile } from 'node:fs/promises'

/** A piece of TypeScript that a reader is shown. */
export interface ReadmeBlock {
  readonly line: number
  readonly code: string
}

/** How a block says what it is checked beside: the newest of everything, or that version. */
const MARKS = ['ts', 'ts drizzle-1.0'] as const

/** The blocks of a Markdown file that are marked `mark`; one with a mark of its own invention would be checked by nobody. */
export async function readmeBlocks(file: string, mark: (typeof MARKS)[number] = 'ts'): Promise<readonly ReadmeBlock[]> {
  const text = await readFile(file, 'utf8')
  const blocks = [...text.matchAll(/^```(ts[^\n]*)\n(.*?)^```$/gms)].map((match) => ({
    mark: match[1]?.trim(),
    line: text.slice(0, match.index).split('\n').length,
    code: match[2] ?? '',
  }))
  const stray = blocks.find((block) => MARKS.every((known) => known !== block.mark))
  if (stray !== undefined) throw new Error(`${file}, line ${stray.line}: nobody checks a block marked ${stray.mark}`)
  return blocks.filter((block) => block.mark === mark)
}

/** What a reader has: the app of the framework that a block imports, the pool, and things of an app's own. */
const ALREADY_THERE: readonly { readonly name: string; readonly when: RegExp; readonly type: string }[] = [
  { name: 'pool', when: /\bpool\b/, type: "import('@headwater/pg').RoutedPool" },
  { name: 'noteId', when: /\bnoteId\b/, type: 'number' },
  { name: 'job', when: /\bjob\./, type: '{ noteId: number; token: string | undefined }' },
  {
    name: 'queue',
    when: /\bqueue\./,
    type: '{ add(job: { noteId: number; token: string | undefined }): Promise<void> }',
  },
  { name: 'sendMail', when: /\bsendMail\(/, type: '(noteId: number) => Promise<void>' },
  {
    name: 'Sentry',
    when: /\bSentry\./,
    type: '{ init(options: { beforeSend(event: object, hint: { originalException?: unknown }): object | null }): void }',
  },
  {
    name: 'redis',
    when: /\bredis\./,
    type: '{ sMembers(key: string): Promise<string[]>; sAdd(key: string, member: string): Promise<number>; sRem(key: string, members: string[]): Promise<number>; expire(key: string, seconds: number): Promise<number> }',
  },
  { name: 'otherPool', when: /\botherPool\b/, type: "import('pg').Pool" },
  { name: 'store', when: /\bstore\(/, type: '(request: Request) => Promise<object>' },
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

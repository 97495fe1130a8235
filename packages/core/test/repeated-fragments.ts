import { classify } from '../src/classify/classify.ts'
import { classifyBody } from '../src/classify/grammar/body.ts'
import { createKnowledge } from '../src/classify/names/knowledge.ts'
import { K } from '../src/classify/sql/keywords.ts'

/** A fragment whose time grows faster than its length. */
export interface Steep {
  readonly fragment: string
  readonly face: string
  /** How much longer four times the text took than the text. */
  readonly growth: number
  readonly millis: number
}

const PUNCTUATION =
  '( ) [ ] { } , ; . :: := => .. * + - / < > = <> != || ~ ~~ @ # % ^ & | ? ! ` : $ \\ _ +- -+ @- <-- */ /* -- '.split(
    ' ',
  )
const QUOTES = [
  "'",
  "''",
  "'a'",
  "'a' ",
  "'a'\n",
  "E'",
  "E'\\'",
  "E'a'\n",
  "'\\'",
  "'\\",
  "b'1'",
  "x'1'",
  "U&'\\0041'",
  '"',
  '""',
  '"a"',
  '"a""b"',
  'U&"\\0061"',
  "uescape '!'",
  '$$',
  '$a$',
  '$a',
  '$1',
  '$b$x$b$',
  '$é$',
  '/* */',
  '/*/**/',
  '-- x\n',
  '--',
  '\n',
  '\0',
  '\ud800',
  'é',
  '/* headwater: */',
]
const NAMES = [
  ...[
    'a',
    'a.b',
    'a.b.c',
    't',
    'x(',
    'f()',
    'known(',
    'runs(',
    'seq',
    'late',
    'late(',
    'pg_stat_x',
    'last_value',
    '1',
    '1.5',
    '1e',
    '0x',
  ],
  ...[
    'query_to_xml(',
    'table_to_xml(',
    'ts_rewrite(',
    'set_config(',
    'current_setting(',
    'operator(',
    'format(',
    'concat(',
  ],
  ...[
    "'select 1'",
    "'insert into t'",
    "'begin '",
    "'%s'",
    "'%I'",
    "'set '",
    'q := ',
    'q || ',
    'into q',
    'for q in ',
    'alias for ',
  ],
  ...['quote_ident(', 'set local ', 'set transaction ', 'explain (', 'copy t to ', 'begin atomic ', 'c cursor ('],
]
const KEYWORDS = Object.keys(K).map((word) => word.toLowerCase())

/** A random number from 0 to below 1 per call: the same for the same seed (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const WRITES = { access: 'write', reason: 'writing-function' } as const
const KNOWLEDGE = createKnowledge({
  functions: [
    ['public.known', { access: 'read', reason: 'reads-only' }],
    ['public.runs', { access: 'unknown', reason: 'procedural-code', runsArguments: true }],
  ],
  operators: [['public.=', WRITES]],
  relations: [['public.seq', { access: 'write', reason: 'sequence' }]],
  types: [['public.b', WRITES]],
  attributes: [['c', { access: 'unknown', reason: 'unseen-function' }]],
  inventory: { has: (_kind, _schema, name) => name !== 'late' },
})

/** The ways in which a text is read; each wraps what is repeated. */
export const FACES: Readonly<Record<string, (text: string) => void>> = {
  'a statement': (text) => classify(text),
  'a query': (text) => classify(`select ${text}`),
  'a FROM list, with a catalog': (text) => classify(`select * from t, ${text}`, KNOWLEDGE),
  'a query, with a catalog': (text) => classify(`select a from t where ${text}`, KNOWLEDGE),
  'a body': (text) => classifyBody('plpgsql', `begin ${text}`),
  'a body with dynamic SQL': (text) => classifyBody('plpgsql', `declare q text; begin execute q || ${text}`, KNOWLEDGE),
  'an argument that is run': (text) => classify(`select runs('${text.replaceAll("'", "''")}')`, KNOWLEDGE),
  'dynamic SQL in a body': (text) => classifyBody('plpgsql', `begin execute '${text.replaceAll("'", "''")}'; end`),
  'a body in another language': (text) => classifyBody('plpython3u', text, KNOWLEDGE),
}

export interface SearchOptions {
  readonly seed: number
  readonly fragments: number
  /** UTF-16 units of the shortest text; the longest has four times as many. */
  readonly length: number
  /** Default: all the ways in which a text is read. */
  readonly faces?: Readonly<Record<string, (text: string) => void>>
}

/**
 * Repeats random fragments of one to four tokens, and measures whether four times the text takes more than six times as long. What seems to
 * is measured again, in texts four times as long: a machine that was busy is not held against a fragment.
 */
export function findSteepFragments({ seed, fragments, length, faces = FACES }: SearchOptions): readonly Steep[] {
  const random = createRandom(seed)
  const pick = <Item>(items: readonly Item[], fallback: Item): Item =>
    items[Math.floor(random() * items.length)] ?? fallback
  const steep: Steep[] = []
  for (let count = 0; count < fragments; count++) {
    const tokens = Array.from({ length: 1 + Math.floor(random() * 4) }, () =>
      pick(pick([PUNCTUATION, QUOTES, NAMES, KEYWORDS], KEYWORDS), ' '),
    )
    const fragment = tokens.join(random() < 0.5 ? ' ' : '') + (random() < 0.7 ? ' ' : '')
    for (const [face, read] of Object.entries(faces)) {
      const first = growthOf(read, fragment, length)
      if (first.growth <= MOST) continue
      const { growth, millis } = growthOf(read, fragment, 4 * length)
      if (growth > MOST && millis > 4 * NOTHING_MILLIS) steep.push({ fragment, face, growth, millis })
    }
  }
  return steep
}

/** A linear reader grows by 4; one that looks at each pair of places, by 16. */
const MOST = 7
/** What takes less than this is as good as no time. */
const NOTHING_MILLIS = 8

function growthOf(read: (text: string) => void, fragment: string, length: number): { growth: number; millis: number } {
  const short = fragment.repeat(Math.ceil(length / fragment.length))
  const long = fragment.repeat(Math.ceil((4 * length) / fragment.length))
  const millis = timeOf(read, long, 1)
  if (millis < NOTHING_MILLIS) return { growth: 0, millis }
  const least = Math.min(millis, timeOf(read, long, 2))
  return { growth: least / Math.max(timeOf(read, short, 3), 0.25), millis: least }
}

/** The least of some runs, in ms of this process: others' work does not count. */
function timeOf(read: (text: string) => void, text: string, runs: number): number {
  let least = Number.POSITIVE_INFINITY
  for (let run = 0; run < runs; run++) {
    const start = process.cpuUsage()
    read(text)
    const { user, system } = process.cpuUsage(start)
    least = Math.min(least, (user + system) / 1000)
  }
  return least
}

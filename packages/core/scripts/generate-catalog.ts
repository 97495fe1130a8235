/**
 * Writes `src/classify/catalog.generated.ts` from the catalog of a real Postgres 18.
 *
 *     node packages/core/scripts/generate-catalog.ts <folder that holds bin/initdb and bin/postgres>
 *
 * Speaks to a `postgres --single` of a fresh cluster, so it needs no port and no client. Postgres refuses root:
 * run as another user, or set HEADWATER_POSTGRES_UID to the id to drop to.
 */
import { spawnSync } from 'node:child_process'
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FUNCTION_RULES, NODE_LOCAL_VIEWS } from './function-rules.ts'

const binaries = process.argv[2]
if (binaries === undefined) throw new Error('Expected the folder that holds bin/initdb and bin/postgres')
const uid = process.env['HEADWATER_POSTGRES_UID']
const identity = uid === undefined ? {} : { uid: Number(uid) }
const root = mkdtempSync(join(tmpdir(), 'headwater-catalog-'))

function run(program: string, parameters: readonly string[], input = ''): string {
  const options = { ...identity, input, cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 } as const
  const { status, stdout, stderr, error } = spawnSync(join(String(binaries), 'bin', program), parameters, options)
  if (status !== 0 || /\bERROR: /.test(stderr)) throw new Error(`${program} failed: ${stderr}`, { cause: error })
  return stdout
}

const IN_CATALOG = `'pg_catalog'::regnamespace`
/** What SQL can call: nothing that takes or gives pseudo-types of the server's inside, no input function of a type. */
const CALLABLE = `not 'internal'::regtype = any (proargtypes) and prorettype not in ('internal'::regtype, 'trigger'::regtype,
  'event_trigger'::regtype, 'language_handler'::regtype, 'fdw_handler'::regtype, 'index_am_handler'::regtype,
  'table_am_handler'::regtype, 'tsm_handler'::regtype) and prokind <> 'p'`
const QUERIES = {
  version: `select current_setting('server_version')`,
  safe: `select distinct proname from pg_proc where pronamespace = ${IN_CATALOG} and ${CALLABLE} order by 1`,
  unsafe: `select distinct proname from pg_proc where pronamespace = ${IN_CATALOG} and proparallel = 'u' order by 1`,
  types: `select typname from pg_type where typnamespace = ${IN_CATALOG} and typtype in ('b', 'r', 'm') and typname !~ '^_' order by 1`,
  methods: `select proname from pg_proc where prorettype = 'tsm_handler'::regtype order by 1`,
  information: `select distinct proname from pg_proc where pronamespace = 'information_schema'::regnamespace order by 1`,
  // `@@@` is a deprecated spelling of `@@`, and what search extensions name their own operator.
  operators: `select distinct oprname from pg_operator where oprnamespace = ${IN_CATALOG} and oprname <> '@@@' order by 1`,
  views: `select relname from pg_class where relnamespace = ${IN_CATALOG} and relkind = 'v' order by 1`,
  reserved: `select word from pg_get_keywords() where catcode = 'R' order by 1`,
  functionNames: `select word from pg_get_keywords() where catcode = 'T' order by 1`,
  columnNames: `select word from pg_get_keywords() where catcode = 'C' order by 1`,
  unreserved: `select word from pg_get_keywords() where catcode = 'U' order by 1`,
} as const

function ask(folder: string): Record<keyof typeof QUERIES, string[]> {
  const answers: Record<string, string[]> = {}
  for (const [name, query] of Object.entries(QUERIES)) {
    const stdout = run('postgres', ['--single', '-j', '-D', folder, 'postgres'], `copy (${query}) to stdout;\n\n`)
    answers[name] = stdout
      .replace(/^PostgreSQL stand-alone backend.*$/m, '')
      .replaceAll('backend> ', '')
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '')
  }
  return answers as Record<keyof typeof QUERIES, string[]>
}

function kindOf(name: string, unsafe: ReadonlySet<string>): string {
  const rule = FUNCTION_RULES.find(({ names }) => names.test(name))
  if (rule !== undefined) return rule.kind
  return unsafe.has(name) ? 'writing-function' : 'reads-only'
}

function literal(name: string, words: readonly string[]): string {
  return `export const ${name}: string =\n  '${words.join(' ').replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'\n`
}

try {
  if (uid !== undefined) chownSync(root, Number(uid), -1)
  const folder = join(root, 'data')
  run('initdb', [
    '-D',
    folder,
    '-U',
    'postgres',
    '-A',
    'trust',
    '--no-sync',
    '--no-instructions',
    '--locale=C',
    '-E',
    'UTF8',
  ])
  const answers = ask(folder)
  const unsafe = new Set(answers.unsafe)
  const names = new Set([...answers.safe, ...answers.unsafe, ...answers.types, ...answers.methods])
  const kinds = new Map<string, string[]>()
  for (const name of [...names].sort()) {
    const kind = kindOf(name, unsafe)
    kinds.set(kind, [...(kinds.get(kind) ?? []), name])
  }
  const functions = [...kinds].sort().map(([kind, members]) => `  '${kind}':\n    '${members.join(' ')}',\n`)
  const source = `// Made by scripts/generate-catalog.ts from PostgreSQL ${answers.version[0]}. Do not edit: change the rules and run it again.

/** Every function of pg_catalog, by what it needs; within a line, separated by a space. */
export const FUNCTIONS: Readonly<Record<string, string>> = {
${functions.join('')}}

/** Functions of information_schema; all only read. */
${literal('INFORMATION_SCHEMA_FUNCTIONS', answers.information)}
/** Every operator of pg_catalog. */
${literal('OPERATORS', answers.operators)}
/** Views of pg_catalog that show one node's own state. */
${literal(
  'NODE_LOCAL_VIEWS',
  answers.views.filter((name) => NODE_LOCAL_VIEWS.test(name)),
)}
${literal('RESERVED', answers.reserved)}
/** Keywords that may name a function but not a column. */
${literal('FUNCTION_NAME_KEYWORDS', answers.functionNames)}
/** Keywords that may name a column but not a function. */
${literal('COLUMN_NAME_KEYWORDS', answers.columnNames)}
${literal('UNRESERVED', answers.unreserved)}`
  writeFileSync(new URL('../src/classify/sql/catalog.generated.ts', import.meta.url), source)
} finally {
  rmSync(root, { recursive: true, force: true })
}

import { parseArgs } from 'node:util'
import { POOLER_KINDS, type PoolerKind } from './behind-pooler.ts'
import type { DoctorCommand } from './doctor/doctor-command.ts'
import { UsageError } from './usage-error.ts'

export const usage: string = `Usage: headwater explain [options] [statement]
       headwater doctor [options]

explain says what an SQL statement needs (read, write, session or unknown), which word decided, and where it is sent.
Without a statement, or with -, it is read from standard input.

  --file FILE         read the statement from FILE
  --schema-url URL    read the functions, views and operators of this database (needs @headwater/pg and pg)
  --pooler KIND       also say what it needs of its session behind a pooler: none, session, transaction or statement
  --assert read       end with 1 unless the statement is proven to only read

doctor looks at the pool that the environment describes, at each of its servers, at regions, secret and versions, and says
what is wrong and what to do. It writes nothing.

  --env-file FILE     read variables from FILE, as node does
  --module FILE       look at the pool that this module of the app exports
  --remote URL        ask another instance, by the status route of health(), and have a request replayed

Both:
  --json              print JSON
  --help              print this

Ends with 0; with 1 when the assertion does not hold, or something is wrong; with 2 when it could not run.
Colour is for terminals; NO_COLOR and FORCE_COLOR work.`

/** Where the text comes from. */
export type Source =
  | { readonly from: 'argument'; readonly text: string }
  | { readonly from: 'file'; readonly path: string }
  | { readonly from: 'input' }

/** The options of `headwater explain`. */
export interface ExplainCommand {
  readonly command: 'explain'
  readonly source: Source
  readonly isJson: boolean
  readonly mustRead: boolean
  readonly schemaUrl: string | undefined
  readonly pooler: PoolerKind | undefined
}

/**
 * Reads the arguments; `undefined` when only help is wanted.
 *
 * @throws {UsageError} naming what was not understood.
 */
export function readCommandLine(args: readonly string[]): ExplainCommand | DoctorCommand | undefined {
  const { values, positionals } = parse(args)
  if (values.help === true) return undefined
  const [command, text, ...rest] = positionals
  if (command === undefined) throw new UsageError('no command was given; expected "explain" or "doctor"')
  if (command === 'doctor') return doctorCommand(values, text)
  if (command !== 'explain') {
    throw new UsageError(`${JSON.stringify(command)} is not a command; expected "explain" or "doctor"`)
  }
  refuse(values, ['env-file', 'module', 'remote'], 'explain')
  if (rest.length > 0) throw new UsageError('more than one statement was given; put quotes around the whole text')
  if (values.assert !== undefined && values.assert !== 'read') {
    throw new UsageError(`--assert ${JSON.stringify(values.assert)} is unknown; expected --assert read`)
  }
  if (values.file !== undefined && text !== undefined) {
    throw new UsageError('both --file and a statement were given; give one of them')
  }
  return {
    command,
    source: sourceOf(values.file, text),
    isJson: values.json === true,
    mustRead: values.assert === 'read',
    schemaUrl: values['schema-url'],
    pooler: poolerKindOf(values.pooler),
  }
}

function doctorCommand(values: Parsed['values'], text: string | undefined): DoctorCommand {
  if (text !== undefined) throw new UsageError(`${JSON.stringify(text)} was not understood; doctor takes options only`)
  refuse(values, ['file', 'schema-url', 'assert', 'pooler'], 'doctor')
  const { remote } = values
  if (remote !== undefined && !/^https?:\/\//.test(remote))
    throw new UsageError('--remote is no URL; expected https://host')
  if (remote !== undefined && !URL.canParse(remote)) throw new UsageError('--remote is no URL; expected https://host')
  return {
    command: 'doctor',
    isJson: values.json === true,
    envFile: values['env-file'],
    module: values.module,
    remote,
  }
}

function refuse(values: Parsed['values'], names: readonly (keyof Parsed['values'])[], command: string): void {
  const given = names.find((name) => values[name] !== undefined)
  if (given !== undefined) throw new UsageError(`--${given} is no option of ${command}`)
}

function poolerKindOf(given: string | undefined): PoolerKind | undefined {
  if (given === undefined) return undefined
  const kind = POOLER_KINDS.find((each) => each === given)
  if (kind === undefined) {
    throw new UsageError(
      `--pooler ${JSON.stringify(given)} is unknown; expected none, session, transaction or statement`,
    )
  }
  return kind
}

function sourceOf(path: string | undefined, text: string | undefined): Source {
  if (path !== undefined) return path === '-' ? { from: 'input' } : { from: 'file', path }
  return text === undefined || text === '-' ? { from: 'input' } : { from: 'argument', text }
}

interface Parsed {
  readonly values: {
    readonly file?: string
    readonly assert?: string
    readonly 'schema-url'?: string
    readonly 'env-file'?: string
    readonly module?: string
    readonly remote?: string
    readonly pooler?: string
    readonly json?: boolean
    readonly help?: boolean
  }
  readonly positionals: readonly string[]
}

function parse(args: readonly string[]): Parsed {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        file: { type: 'string' },
        assert: { type: 'string' },
        'schema-url': { type: 'string' },
        'env-file': { type: 'string' },
        module: { type: 'string' },
        remote: { type: 'string' },
        pooler: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

import { parseArgs } from 'node:util'

export const usage: string = `Usage: headwater explain [options] [statement]

Says what an SQL statement needs (read, write, session or unknown), which word decided, and where it is sent.
Without a statement, or with -, it is read from standard input.

Options:
  --file FILE         read the statement from FILE
  --schema-url URL    read the functions, views and operators of this database (needs @headwater/pg and pg)
  --assert read       end with 1 unless the statement is proven to only read
  --json              print JSON
  --help              print this

Ends with 0, with 1 when the assertion does not hold, with 2 on a wrong call.
Colour is for terminals; NO_COLOR and FORCE_COLOR work.`

/** A wrong call: the message says why and what to do. Ends the program with 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Where the text comes from. */
export type Source =
  | { readonly from: 'argument'; readonly text: string }
  | { readonly from: 'file'; readonly path: string }
  | { readonly from: 'input' }

export interface Command {
  readonly source: Source
  readonly isJson: boolean
  readonly mustRead: boolean
  readonly schemaUrl: string | undefined
}

/**
 * Reads the arguments; `undefined` when only help is wanted.
 *
 * @throws {UsageError} naming what was not understood.
 */
export function readCommandLine(args: readonly string[]): Command | undefined {
  const { values, positionals } = parse(args)
  if (values.help === true) return undefined
  const [command, text, ...rest] = positionals
  if (command === undefined) throw new UsageError('no command was given; expected "explain"')
  if (command !== 'explain') throw new UsageError(`${JSON.stringify(command)} is not a command; expected "explain"`)
  if (rest.length > 0) throw new UsageError('more than one statement was given; put quotes around the whole text')
  if (values.assert !== undefined && values.assert !== 'read') {
    throw new UsageError(`--assert ${JSON.stringify(values.assert)} is unknown; expected --assert read`)
  }
  if (values.file !== undefined && text !== undefined) {
    throw new UsageError('both --file and a statement were given; give one of them')
  }
  return {
    source: sourceOf(values.file, text),
    isJson: values.json === true,
    mustRead: values.assert === 'read',
    schemaUrl: values['schema-url'],
  }
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
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

import { databaseErrorIn } from '@headwater/core/internal'

/** An error as a health check may show it: its words and its code, and nothing else of it. */
export interface ErrorInWords {
  readonly message: string
  /** An SQLSTATE, or a code of Node such as `ECONNREFUSED`. */
  readonly code: string | undefined
}

/** What stands between `//` and `@` in a URL: a user and a password. */
const CREDENTIALS = /\/\/[^\s@]*@/g

/** Keeps the message and the code of an error, without the `secrets` and without the credentials of any URL in it. */
export function errorInWords(error: unknown, secrets: readonly string[]): ErrorInWords {
  let message = messageOf(error)
  for (const secret of secrets) if (secret !== '') message = message.replaceAll(secret, '***')
  return Object.freeze({ message: message.replaceAll(CREDENTIALS, '//***@'), code: codeOf(error) })
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return 'an error that is no Error'
  // Node tries each address of a host, and says nothing beside what became of them.
  const [first] = error instanceof AggregateError && error.message === '' ? error.errors : []
  return first instanceof Error ? first.message : error.message
}

function codeOf(error: unknown): string | undefined {
  const code: unknown =
    databaseErrorIn(error)?.code ?? (error instanceof Error ? Reflect.get(error, 'code') : undefined)
  return typeof code === 'string' ? code : undefined
}

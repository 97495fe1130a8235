import { findInCauses } from './find-in-causes.ts'

/** The fields of a database error that tell errors apart without reading its text, which depends on lc_messages. */
export interface DatabaseErrorFields {
  readonly code: string
  readonly routine: string | undefined
  readonly file: string | undefined
  /** The call stack inside the server; it names the functions that were running. */
  readonly where: string | undefined
}

/** Five characters of A-Z and 0-9, with a severity beside them: what every error from a Postgres server has. */
const SQLSTATE = /^[0-9A-Z]{5}$/

/** Finds the server's error inside an ORM's wrappers; `undefined` when no server answered. */
export function databaseErrorIn(error: unknown): DatabaseErrorFields | undefined {
  const found = findInCauses<DatabaseErrorFields | PrismaErrorFields>(error, isServersError)
  if (found === undefined || !('originalCode' in found)) return found
  return { code: found.originalCode, routine: undefined, file: undefined, where: undefined }
}

/** What Prisma's adapters make of a server's error, for some codes without its severity. */
interface PrismaErrorFields {
  readonly kind: string
  readonly originalCode: string
}

function isServersError(candidate: object): candidate is DatabaseErrorFields | PrismaErrorFields {
  const code: unknown = Reflect.get(candidate, 'code')
  if (isSqlState(code) && Reflect.get(candidate, 'severity') !== undefined) return true
  return isSqlState(Reflect.get(candidate, 'originalCode')) && typeof Reflect.get(candidate, 'kind') === 'string'
}

function isSqlState(code: unknown): boolean {
  return typeof code === 'string' && SQLSTATE.test(code)
}

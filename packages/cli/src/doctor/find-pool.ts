import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { UsageError } from '../usage-error.ts'
import type { PgClientClass, Wiring } from './wiring.ts'

/** Says how it is wired: a `RoutedPool`. */
interface Wired {
  wiring(): Wiring
  end(): Promise<unknown>
}

/** What the app would run on. */
export interface FoundPool {
  /** `undefined` when its options are invalid. */
  readonly wiring: Wiring | undefined
  /** What the pool says of its options. */
  readonly refusal: { readonly option: string; readonly message: string } | undefined
}

/**
 * Makes the pool that the environment describes, or finds the one that a module of the app exports.
 *
 * @throws {UsageError} when a package is missing, or the module cannot be loaded or exports no pool.
 */
export async function findPool(folder: string, module: string | undefined): Promise<FoundPool> {
  try {
    const pool = module === undefined ? await poolOfEnvironment(folder) : await poolIn(folder, module)
    return { wiring: pool.wiring(), refusal: undefined }
  } catch (error) {
    const refusal = refusalIn(error)
    if (refusal === undefined) throw error
    return { wiring: undefined, refusal }
  }
}

/** pg's class of clients, as the app would load it. */
export async function findClient(folder: string): Promise<PgClientClass> {
  const pg = await load(folder, 'pg')
  const Client: unknown = Reflect.get(Object(Reflect.get(pg, 'default') ?? pg), 'Client')
  if (typeof Client === 'function') return Client as PgClientClass
  throw new UsageError('the installed pg has no Client; install pg 8.21 or later')
}

async function poolOfEnvironment(folder: string): Promise<Wired> {
  const RoutedPool: unknown = Reflect.get(await load(folder, '@headwater/pg'), 'RoutedPool')
  if (typeof RoutedPool !== 'function') throw new UsageError('the installed @headwater/pg has no RoutedPool')
  const pool: unknown = Reflect.construct(RoutedPool, [{ logger: false }])
  if (isWired(pool)) return pool
  throw new UsageError('the installed @headwater/pg is older than this doctor; install the version of @headwater/cli')
}

async function poolIn(folder: string, path: string): Promise<Wired> {
  let module: object
  try {
    module = (await import(pathToFileURL(resolve(folder, path)).href)) as object
  } catch (error) {
    if (refusalIn(error) !== undefined) throw error
    throw new UsageError(
      `--module ${path} could not be loaded: ${error instanceof Error ? error.message : String(error)}${adviceOn(error)}`,
    )
  }
  for (const value of [...Object.values(module), ...Object.values(Object(Reflect.get(module, 'default')))]) {
    // Drizzle keeps its pool in `$client`.
    for (const candidate of [value, Reflect.get(Object(value), '$client')]) if (isWired(candidate)) return candidate
  }
  throw new UsageError(`--module ${path} exports no RoutedPool; export the pool, or the Drizzle database over it`)
}

function adviceOn(error: unknown): string {
  const isTypeScript = Reflect.get(Object(error), 'code') === 'ERR_UNKNOWN_FILE_EXTENSION'
  return isTypeScript
    ? '; give the built JavaScript, or run the doctor on Node 22.18 or later, which reads TypeScript'
    : ''
}

function isWired(value: unknown): value is Wired {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, 'wiring') === 'function'
}

function refusalIn(error: unknown): FoundPool['refusal'] {
  if (Reflect.get(Object(error), 'code') !== 'HEADWATER_OPTIONS_INVALID' || !(error instanceof Error)) return undefined
  return {
    option: String(Reflect.get(error, 'option')),
    message: error.message.replace(/^\[headwater\] option \S+?:? /, ''),
  }
}

async function load(folder: string, name: string): Promise<object> {
  try {
    const path = createRequire(join(folder, 'package.json')).resolve(name)
    return (await import(pathToFileURL(path).href)) as object
  } catch {
    // Not beside the app: perhaps beside this program.
  }
  try {
    return (await import(name)) as object
  } catch (error) {
    if (Reflect.get(Object(error), 'code') !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new UsageError(
      `doctor needs ${name}, which is not installed here; install @headwater/pg and pg beside @headwater/cli`,
    )
  }
}

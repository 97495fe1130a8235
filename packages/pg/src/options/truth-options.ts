import { OptionsInvalid } from '@headwater/core'
import type { ServerFacts } from './server-facts.ts'

/** Where the primary is: a host and port as the pool has them in its configuration, or as the server itself says. */
export interface PrimaryAddress {
  readonly host: string
  /** @default any port of that host */
  readonly port?: number | undefined
}

/** How the primary is named: as one of the servers that were given, or by its address. */
export type PrimaryName = ServerFacts | PrimaryAddress

/**
 * Says which of several servers is the primary, by what an outside authority knows: a lock, a quorum, a person. One of `servers` may be
 * returned as it is; `undefined` says that the authority knows of none.
 *
 * It is asked while several servers accept writes on one timeline, every second, and for nothing else. It must give up when `signal`
 * aborts, which is after 2 s and when the pool ends. A rejection says that the authority cannot be reached.
 */
export type Truth = (
  servers: readonly ServerFacts[],
  signal: AbortSignal,
) => PrimaryName | undefined | Promise<PrimaryName | undefined>

/** Option of `RoutedPool` about who decides where the servers themselves cannot. */
export interface TruthOptions {
  /**
   * Who decides which server is the primary when two of them accept writes on one timeline (X7): a function, or `patroni({ url })`.
   * Without one, and while it cannot be asked, nobody writes until one of the two is gone.
   *
   * @default none
   */
  readonly truth?: Truth | undefined
}

/** @throws {OptionsInvalid} when it is no function. */
export function checkTruth(truth: unknown): Truth | undefined {
  if (truth === undefined || typeof truth === 'function') return truth as Truth | undefined
  throw new OptionsInvalid(
    'truth',
    `is ${typeof truth}; expected a function, such as patroni({ url: 'http://…:8008' })`,
  )
}

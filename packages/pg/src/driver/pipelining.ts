import pg from 'pg'
import { type ClientInternals, clientClassOf, internalsOf } from './pg-internals.ts'

/**
 * Whether clients of this configuration can be told to send a query before the last one is answered: those of pg 8.23 and later, and
 * not of another copy of pg.
 */
export function canPipeline(config: pg.PoolConfig): boolean {
  const Client = clientClassOf(config)
  if (Client !== pg.Client && !(Client.prototype instanceof pg.Client)) return false
  return internalsOf(new pg.Client()).pipeline === false
}

/** Whether a client sends its queries ahead. */
export function isPipelining(client: object): boolean {
  return internalsOf(client).pipeline === true
}

/** Has a client send its queries ahead, or not. Only while none is under way: pg reads this field with each query. */
export function setPipelining(client: object, isOn: boolean): void {
  const internals: { -readonly [Field in keyof ClientInternals]: ClientInternals[Field] } = internalsOf(client)
  internals.pipeline = isOn
}

import { runOutside } from '@headwater/core/internal'
import type pg from 'pg'
import { clientClassOf, internalsOf } from '../driver/pg-internals.ts'
import { AS_TEXT } from '../driver/send.ts'
import { sleep } from '../fleet/sleep.ts'

/** What a server says once, at the start. */
export interface Survey {
  /** How long it takes to answer, in ms: the fastest of a few answers. */
  readonly roundTripMillis: number
  /** The part of that in which this process had nothing else to do, in ms: a busy process takes longer to read an answer. */
  readonly distanceMillis: number
  /** Whether it was asked again later, and was as far away then. */
  readonly isConfirmed: boolean
  /** How many connections it takes, without the reserved ones. */
  readonly allowed: number
  /** From how many addresses this user is connected to this database: one for each instance, behind no pooler. */
  readonly instances: number
  /** How far its clock is ahead of this process's, in ms. */
  readonly clockAheadMillis: number
  /** Whether statements of one connection were answered by several servers. */
  readonly isBalanced: boolean
}

/** A server of one's own region answers faster than this; the nearest two regions of a cloud are about as far apart. */
export const FAR_MILLIS = 20
const TRIES = 4
const PAUSE_MILLIS = 500
const TIMEOUT_MILLIS = 2_000
const PINGS = 4

const QUESTION = `
  select pg_catalog.current_setting('max_connections')::int
           - pg_catalog.current_setting('superuser_reserved_connections')::int
           - coalesce(pg_catalog.current_setting('reserved_connections', true)::int, 0),
         (select pg_catalog.count(distinct coalesce(client_addr::text, '')) from pg_catalog.pg_stat_activity
           where usename operator(pg_catalog.=) current_user and datname operator(pg_catalog.=) pg_catalog.current_database()),
         (extract(epoch from pg_catalog.clock_timestamp()) * 1000)::bigint,
         extract(epoch from pg_catalog.pg_postmaster_start_time())::text`

/** Which server answers a plain read; the question above reads what pgpool-II asks of the primary alone. */
const PING = 'select extract(epoch from pg_catalog.pg_postmaster_start_time())::text'

/** Asks a server over a connection of its own, which keeps no process alive. `undefined` when it does not answer in time. Never rejects. */
export function surveyOf(config: pg.PoolConfig, signal: AbortSignal): Promise<Survey | undefined> {
  return runOutside(() => ask(config, signal).catch(() => undefined))
}

/**
 * Asks a server that should be next door, and is not, a few times more: the machine may have been busy. `undefined` when it did not
 * answer. Never rejects.
 */
export async function confirmedSurveyOf(
  config: pg.PoolConfig,
  first: Survey,
  signal: AbortSignal,
): Promise<Survey | undefined> {
  let best = first
  let answers = 0
  for (let attempt = 1; attempt < TRIES && best.distanceMillis > FAR_MILLIS; attempt += 1) {
    await sleep(PAUSE_MILLIS, signal)
    const next = signal.aborted ? undefined : await surveyOf(config, signal)
    if (signal.aborted) return undefined
    // One that went unanswered says nothing about the distance.
    if (next === undefined) continue
    answers += 1
    best = {
      ...next,
      roundTripMillis: Math.min(best.roundTripMillis, next.roundTripMillis),
      distanceMillis: Math.min(best.distanceMillis, next.distanceMillis),
      isBalanced: best.isBalanced || next.isBalanced,
    }
  }
  return answers === 0 ? undefined : { ...best, isConfirmed: true }
}

async function ask(config: pg.PoolConfig, signal: AbortSignal): Promise<Survey | undefined> {
  // pg hides the password from a spread.
  const own: pg.ClientConfig = Object.defineProperties({}, Object.getOwnPropertyDescriptors(config))
  own.connectionTimeoutMillis = TIMEOUT_MILLIS
  const client = new (clientClassOf(config))(own)
  const leave = (): void => {
    client.connection.stream.destroy()
  }
  // Its loss is told by what is awaited.
  client.on('error', () => undefined)
  signal.addEventListener('abort', leave, { once: true })
  const rowOf = async (text: string): Promise<readonly (string | null)[]> => {
    const query = { text, rowMode: 'array' as const, types: AS_TEXT, query_timeout: TIMEOUT_MILLIS }
    const { rows } = await client.query<(string | null)[]>(query)
    return rows[0] ?? []
  }
  try {
    if (signal.aborted) return undefined
    const connected = client.connect()
    internalsOf(client).unref()
    await connected
    internalsOf(client).unref()
    const [allowed, instances, clock, server] = await rowOf(QUESTION)
    let isBalanced = false
    const heardAt = Date.now()
    let roundTripMillis = Number.POSITIVE_INFINITY
    let distanceMillis = Number.POSITIVE_INFINITY
    for (let ping = 0; ping < PINGS; ping += 1) {
      const { performance } = process.getBuiltinModule('node:perf_hooks')
      const before = performance.eventLoopUtilization()
      const sentAt = performance.now()
      const [other] = await rowOf(PING)
      const took = performance.now() - sentAt
      isBalanced ||= other !== server
      const { active } = performance.eventLoopUtilization(before)
      if (took >= roundTripMillis) continue
      roundTripMillis = took
      // Of the fastest one: in a slow one this process may have worked while the answer was on its way, and a far server would seem near.
      distanceMillis = Math.max(0, took - active)
    }
    return {
      roundTripMillis,
      distanceMillis,
      isConfirmed: false,
      allowed: Number(allowed),
      instances: Math.max(1, Number(instances)),
      clockAheadMillis: Number(clock) + roundTripMillis / 2 - heardAt,
      isBalanced,
    }
  } finally {
    signal.removeEventListener('abort', leave)
    await client.end().catch(() => undefined)
  }
}

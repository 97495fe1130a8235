import type { Cluster } from '@headwater/cluster'
import { hasPgBouncer, PgBouncer, type PgBouncerCommand, pgBouncers } from '@headwater/test-world'
import { describe } from 'vitest'
import { CASES, type Case, REPLICA } from './cases.ts'
import { loadDataAdapters } from './data-adapters.ts'
import { codeOf } from './errors.ts'
import { runMatrix, type Ways } from './run-matrix.ts'

type Mode = 'session' | 'transaction'

/** What leaves something in its session: the one thing that a pooler which shares sessions cannot do. */
const sessionCase = (mode: Mode): Case => ({
  name: 'B2: a lock of the session',
  method: 'POST',
  uses: [],
  isStreamed: false,
  run: (data) => data.sessionLock().catch((error: unknown) => codeOf(error)),
  expected: (place) => ({
    answer: mode === 'transaction' ? 'HEADWATER_SESSION_UNAVAILABLE' : 'primary',
    isReplayed: place === 'away',
    notes: 0,
  }),
})

/** PgBouncer with its default configuration in front of each server; the app knows no way around it. */
async function openWays({ primary, replicas }: Cluster, mode: Mode, command: PgBouncerCommand): Promise<Ways> {
  const [replica] = replicas
  if (replica === undefined) throw new Error('the cluster has no replica')
  const pooler = await PgBouncer.start({ home: primary, [REPLICA]: replica }, { pool_mode: mode }, command)
  return {
    poolOf: (region) => ({
      pooler: mode,
      primary: { region: 'ams', connectionString: pooler.url('home') },
      replicas: [{ region, connectionString: pooler.url(REPLICA) }],
    }),
    [Symbol.asyncDispose]: () => pooler[Symbol.asyncDispose](),
  }
}

/** Both modes, and a newer PgBouncer: `pnpm poolers`. */
const MODES: readonly Mode[] =
  process.env['HEADWATER_PGBOUNCER'] === undefined ? ['transaction'] : ['session', 'transaction']
const adapters = await loadDataAdapters()

describe.skipIf(!hasPgBouncer).each(pgBouncers)('behind PgBouncer $version', (command) => {
  describe.each(MODES)('in %s mode', (mode) => {
    runMatrix({
      adapters,
      cases: [...CASES, sessionCase(mode)],
      hosts: ['hono'],
      openWays: (cluster) => openWays(cluster, mode, command),
    })
  })
})

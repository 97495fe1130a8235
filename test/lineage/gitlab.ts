import { diagnostics, getToken, type QueryEvent, ReplicaBehind, runWithToken } from '@headwater/core'
import { SECRET } from '../stage.ts'
import { find, reading, write, writing } from './acts.ts'
import { type Life, newNote } from './life.ts'
import type { Ancestor } from './row.ts'

/** The token of a job that has just written this. */
async function tokenOf(life: Life, note: string): Promise<string | undefined> {
  const job = async () => {
    await write({ pool: life.stage.pools.ams, region: 'ams' }, note)
    return getToken({ secret: SECRET })
  }
  return runWithToken(undefined, job, { secret: SECRET })
}

export const GITLAB: Ancestor = {
  title: 'GitLab',
  rows: [
    {
      there: 'sticking by user, runner or build, in Redis',
      mark: '+',
      here: '`token: { load, save }` over any store',
      run: async (life) => {
        const note = newNote()
        const user = { by: 'by-user', headers: { 'x-user': note } } as const
        return life.behind(async () => {
          await life.ask(writing(note), { method: 'POST', ...user })
          const stranger = await life.ask(reading(note), { by: 'by-user', headers: { 'x-user': 'another' } })
          return `second device: ${(await life.ask(reading(note), user)).text}; somebody else: ${stranger.text}`
        })
      },
      seen: 'second device: "primary has 1"; somebody else: "nrt has 0"',
    },
    {
      there: 'compares LSNs, and lets go only when all replicas have caught up (#413203)',
      mark: '++',
      here: 'each replica is compared by itself',
      shownBy: [
        '../packages/http/src/testing/token-response-suite.ts',
        'F1, gitlab#413203: the cookie is deleted once every replica has passed it',
      ],
    },
    {
      there: '`max_replication_lag_time`, `_difference`',
      mark: '+',
      here: '`maxLag`',
      shownBy: [
        '../packages/pg/test/freshness.integration.test.ts',
        'a dead receiver is lag as soon as the primary goes on',
      ],
    },
    {
      there: 'a valve for when all replicas lag (MR 147323: double or ignore the limit)',
      mark: '+',
      here: '`allLate`: `wait`, `share` or `stale`',
      shownBy: [
        '../packages/pg/test/primary-share.integration.test.ts',
        'F6: `share` answers at the primary while that has a place, and the others late',
      ],
    },
    {
      there: 'service discovery by DNS',
      mark: '+',
      here: '`replicas[].discover`: A, AAAA and SRV, refreshed by TTL',
      shownBy: [
        '../packages/pg/test/discovery.integration.test.ts',
        'X4: the first read waits for the first answer; servers join and leave without a restart',
      ],
    },
    {
      there: 'a host that is offline takes no request down (#238556, #13540)',
      mark: '+',
      shownBy: [
        '../packages/pg/test/no-session.integration.test.ts',
        'of a replica sends the read on, and does not mark the replica',
      ],
    },
    {
      there: 'Sidekiq’s always, sticky, delayed',
      mark: '+',
      here: '`runWithToken(token, fn, { level })`',
      run: async (life) => {
        const note = newNote()
        return life.behind(async () => {
          const token = await tokenOf(life, note)
          const told: string[] = []
          for (const level of ['always', 'sticky', 'delayed'] as const) {
            const job = runWithToken(token, () => find(life, note), { secret: SECRET, level })
            told.push(
              `${level}: ${await job.catch((error: unknown) => (error instanceof ReplicaBehind ? 'later' : String(error)))}`,
            )
          }
          return told.join('; ')
        })
      },
      seen: 'always: primary has 1; sticky: primary has 1; delayed: later',
    },
    {
      there: '`delayed`: the second try uses the primary',
      mark: '~',
      here: 'say `sticky` at the last attempt',
      why: 'the queue counts attempts, and Headwater does not see them',
      run: async (life) => {
        const note = newNote()
        return life.behind(async () => {
          const token = await tokenOf(life, note)
          const told: string[] = []
          for (const level of ['delayed', 'sticky'] as const) {
            const job = runWithToken(token, () => find(life, note), { secret: SECRET, level })
            told.push(await job.catch(() => 'later'))
          }
          return told.join(', then ')
        })
      },
      seen: 'later, then primary has 1',
    },
    {
      there: '`db_replica_*`, `db_primary_*` per request, in the logs',
      mark: '+',
      here: '`headwater:query` names server, region, reason and wait of each statement',
      run: async (life) => {
        const heard: string[] = []
        const listen = (message: unknown): void => {
          const { server, region, decision } = message as QueryEvent
          heard.push(`${server} in ${region}: ${decision.reason}`)
        }
        diagnostics.query.subscribe(listen)
        try {
          await life.ask(reading(newNote()))
          await life.ask(writing(newNote()), { method: 'POST' })
        } finally {
          diagnostics.query.unsubscribe(listen)
        }
        return heard.join('; ')
      },
      seen: 'replica-0 in nrt: read; primary in ams: write',
    },
  ],
}

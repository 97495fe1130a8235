import { ensurePrimary, getToken, inBackground, runWithToken, see, withConsistency, withReplica } from '@headwater/core'
import { SECRET } from '../stage.ts'
import { count, find, reading, times, write, writing } from './acts.ts'
import { type Handler, newNote } from './life.ts'
import type { Ancestor } from './row.ts'

export const RAILS: Ancestor = {
  title: 'Rails’ DatabaseSelector, makara, Django’s multidb, Laravel',
  rows: [
    {
      there: 'a read after a write: `delay`, the pinning cookie, Laravel’s `sticky`',
      mark: '++',
      here: 'by position, not by time',
      run: async (life) => {
        const note = newNote()
        const browse = life.browser()
        const same: Handler = async (here) => [await write(here, note), await find(here, note)][1]
        return life.behind(async () => {
          const inRequest = await browse(same, { method: 'POST' })
          return `same request: ${inRequest.text}; next one: ${(await browse(reading(note))).text}`
        })
      },
      seen: 'same request: "primary has 1"; next one: "primary has 1"',
    },
    {
      there: 'apps without sessions: APIs (rails#41932, makara#175, closed unsolved)',
      mark: '+',
      here: 'the header `headwater-token`; by user with `token: { load, save }`',
      run: async (life) => {
        const [byHeader, byUser] = [newNote(), newNote()]
        return life.behind(async () => {
          const { headers } = await life.ask(writing(byHeader), { method: 'POST' })
          const token = headers.get('headwater-token') ?? ''
          const read = await life.ask(reading(byHeader), { headers: { 'headwater-token': token } })
          const user = { by: 'by-user', headers: { 'x-user': byUser.replace(' ', '-') } } as const
          await life.ask(writing(byUser), { method: 'POST', ...user })
          return `by header: ${read.text}; by user: ${(await life.ask(reading(byUser), user)).text}`
        })
      },
      seen: 'by header: "primary has 1"; by user: "primary has 1"',
    },
    {
      there: '`reading_request?` (rails#44944): a POST that reads, as GraphQL’s do',
      mark: '+',
      here: "`earlyReplay: (request) => 'never'`",
      run: async (life) => {
        const handler = reading(newNote())
        const answers = await times(20, () => life.ask(handler, { method: 'POST', by: 'reading' }))
        return `${count(answers, ({ way }) => way === 'nrt')} next door, from the first on`
      },
      seen: '20 of 20 next door, from the first on',
    },
    {
      there: '`while_preventing_writes`',
      mark: '+',
      here: '`withReplica()`',
      run: async (life) => {
        const note = newNote()
        const handler: Handler = (here) =>
          withReplica(() => write(here, note)).catch((error: unknown) => Reflect.get(Object(error), 'code'))
        const atHome = await life.ask(handler, { from: 'ams' })
        return `${JSON.parse((await life.ask(handler)).text)}, at home too: ${JSON.parse(atHome.text)}; ${await life.notes(note)} rows`
      },
      seen: 'HEADWATER_WRITE_ON_REPLICA, at home too: HEADWATER_WRITE_ON_REPLICA; 0 rows',
    },
    {
      there: 'makara’s `without_sticking`',
      mark: '+',
      here: '`inBackground()`',
      run: async (life) => {
        const browse = life.browser()
        const handler: Handler = async (here) => {
          inBackground(() => write(here, newNote()))
          return here.region
        }
        const { headers } = await browse(handler)
        return `${headers.getSetCookie().length} cookies, then ${(await browse(reading(newNote()))).way}`
      },
      seen: '0 cookies, then nrt',
    },
    {
      there: 'makara’s `stick_to_primary!(persist)`',
      mark: '+',
      here: '`ensurePrimary()` and `strong` reads begin a session',
      run: async (life) => {
        const shown: string[] = []
        for (const begin of ['ensured', 'strong'] as const) {
          const note = newNote()
          const browse = life.browser()
          const first: Handler = (here) => {
            if (begin === 'ensured') ensurePrimary()
            return withConsistency(begin === 'strong' ? 'strong' : 'session', () => find(here, note))
          }
          await life.behind(async () => {
            await life.write(note)
            shown.push(`${begin}: ${(await browse(first)).text}, then ${(await browse(reading(note))).text}`)
          })
        }
        return shown.join('; ')
      },
      seen: 'ensured: "primary has 1", then "primary has 1"; strong: "primary has 1", then "primary has 1"',
    },
    {
      there: 'makara’s context as a query parameter',
      mark: '+',
      here: '`see(token)`',
      run: async (life) => {
        const note = newNote()
        const browse = life.browser()
        return life.behind(async () => {
          const token = await runWithToken(
            undefined,
            async () => {
              await write({ pool: life.stage.pools.ams, region: 'ams' }, note)
              return getToken({ secret: SECRET })
            },
            { secret: SECRET },
          )
          const linked: Handler = (here) => {
            see(token, { secret: SECRET })
            return find(here, note)
          }
          return `the link shows: ${(await browse(linked)).text}, the next page: ${(await browse(reading(note))).text}`
        })
      },
      seen: 'the link shows: "primary has 1", the next page: "primary has 1"',
    },
    {
      there: 'a blacklist; retry elsewhere; the primary when all are gone',
      mark: '+',
      shownBy: ['../test/end-to-end.e2e.test.ts', 'a replica that is gone: reads of that region are replayed'],
    },
    {
      there: 'own error matchers; weights; strategies',
      mark: '+',
      here: '`replayOn`; weights and the choice of a replica are options of the pool',
      shownBy: [
        '../packages/pg/test/replica-choice.integration.test.ts',
        'round-robin: each gets its turn, and with weights its part',
      ],
    },
  ],
}

import { getToken, runInScope, runWithToken, Scope, withPrimary } from '@headwater/core'
import { SECRET } from '../stage.ts'
import { find, reading, write, writing } from './acts.ts'
import { type Handler, newNote } from './life.ts'
import type { Ancestor } from './row.ts'

export const D1_TURSO: Ancestor = {
  title: 'D1’s sessions, Turso',
  rows: [
    {
      there: 'a bookmark out and in: `getBookmark`, `withSession(bookmark)`',
      mark: '++',
      here: 'by itself as cookie and header; `getToken()`, `see()`, `runWithToken()` by hand',
      run: async (life) => {
        const note = newNote()
        return life.behind(async () => {
          const bookmarked: Handler = async (here) => [await write(here, note), await getToken({ secret: SECRET })][1]
          const { text } = await life.ask(bookmarked, { method: 'POST' })
          return runWithToken(JSON.parse(text) as string, () => find(life, note), { secret: SECRET })
        })
      },
      seen: 'primary has 1',
    },
    {
      there: 'sequential consistency in a session',
      mark: '+',
      here: "`trackReads: 'always'`",
      run: async (life) => {
        const note = newNote()
        const browse = life.browser()
        return life.behind(async () => {
          await life.write(note)
          const newest: Handler = (here) => withPrimary(() => find(here, note))
          const first = await browse(newest, { by: 'all-reads' })
          return `shown: ${first.text}, then: ${(await browse(reading(note), { by: 'all-reads' })).text}`
        })
      },
      seen: 'shown: "primary has 1", then: "primary has 1"',
    },
    {
      there: '`first-unconstrained`, `first-primary`',
      mark: '+',
      here: 'the default; a `strong` or forced first read',
      run: async (life) => {
        const note = newNote()
        return life.behind(async () => {
          await life.write(note)
          const browse = life.browser()
          const first: Handler = (here) => withPrimary(() => find(here, note))
          const unconstrained = await life.ask(reading(note))
          return `unconstrained: ${unconstrained.text}; primary: ${(await browse(first)).text}, then ${(await browse(reading(note))).text}`
        })
      },
      seen: 'unconstrained: "nrt has 0"; primary: "primary has 1", then "primary has 1"',
    },
    {
      there: '`meta.served_by_region`, `served_by_primary`',
      mark: '+',
      here: '`serverTiming: true`, `headwater:query`',
      run: async (life) => {
        const { headers } = await life.ask(writing(newNote()), { method: 'POST', by: 'timing' })
        return headers.get('server-timing')?.replace(/dur=[\d.]+/g, 'dur=…')
      },
      seen: 'headwater;desc="ams", headwater-query;desc="primary in ams: write, 1x";dur=…, headwater-replay;desc="route-prior"',
    },
    {
      there: 'Turso’s `readYourWrites`, delegated writes',
      mark: '++',
      here: 'across processes and regions, too (libsql#605 asks for that)',
      run: async (life) => {
        const note = newNote()
        const browse = life.browser()
        return life.behind(async () => {
          const written = await browse(writing(note), { method: 'POST', from: 'ams' })
          const read = await browse(reading(note), { from: 'nrt' })
          return `written by ${written.way}, read by ${read.way}: ${read.text}`
        })
      },
      seen: 'written by ams, read by nrt > ams: "primary has 1"',
    },
    {
      there: 'Turso’s `sync()`: now',
      mark: '+',
      here: '`pool.caughtUp()`',
      run: (life) =>
        runInScope(new Scope(), async () => {
          const note = newNote()
          const replica = life.stage.world.replica()
          await life.stage.world.cluster.waitUntilCaughtUp()
          await replica.pauseReplay()
          await write({ pool: life.pool, region: 'nrt' }, note)
          const isBehind = !(await life.pool.caughtUp({ timeoutMillis: 50 }))
          await replica.resumeReplay()
          return `behind: ${isBehind}; caught up: ${await life.pool.caughtUp()}, ${await find(life, note)}`
        }),
      seen: 'behind: true; caught up: true, nrt has 1',
    },
    { there: 'local file replicas, offline writes', mark: 'n', why: 'Postgres has neither' },
  ],
}

import { runInScope, Scope } from '@headwater/core'
import { count, reading, times, writing } from './acts.ts'
import { answerToHandshake } from './fly-ruby.ts'
import { newNote } from './life.ts'
import type { Ancestor } from './row.ts'

const LARGE = 'x'.repeat(2_000_000)

export const LITEFS: Ancestor = {
  title: 'LiteFS proxy, litefs-js',
  rows: [
    {
      there: 'writes go to the primary, by the method',
      mark: '+',
      run: async (life) => {
        const handler = writing(newNote())
        const answers = await times(20, () => life.ask(handler, { method: 'POST' }))
        return `${count(answers, ({ way }) => way === 'nrt > ams')} replayed`
      },
      seen: '20 of 20 replayed',
    },
    {
      there: '`__txid` cookie: a replica waits up to 5 s for it, then 504',
      mark: '++',
      here: 'waits, then the primary; sealed; by cookie or header; several at once',
      run: async (life) => {
        const note = newNote()
        const browse = life.browser()
        return life.behind(async () => {
          await browse(writing(note), { method: 'POST' })
          const { status, text } = await browse(reading(note))
          return `behind: ${status}, ${text}`
        })
      },
      seen: 'behind: 200, "primary has 1"',
    },
    {
      there: 'the cookie is set by writes only: who reads is next door after the lag',
      mark: '+',
      here: "`trackReads: 'never'`",
      run: async (life) => {
        const note = newNote()
        const browse = life.browser()
        const written = await browse(writing(note), { method: 'POST', by: 'own-writes' })
        await life.stage.world.cluster.waitUntilCaughtUp()
        const answers = await times(3, () => browse(reading(note), { by: 'own-writes' }))
        const set = answers.flatMap(({ headers }) => headers.getSetCookie()).length
        return `cookies: ${written.headers.getSetCookie().length} by the write, ${set} by 3 reads; ${answers.at(-1)?.way}`
      },
      seen: 'cookies: 1 by the write, 0 by 3 reads; nrt',
    },
    {
      there: '`passthrough` (paths)',
      mark: '+',
      here: '`skip`',
      run: async (life) => {
        const note = newNote()
        const { way, headers } = await life.ask(writing(note), { method: 'POST', by: 'passing' })
        return `POST: ${way}, ${headers.getSetCookie().length} cookies, ${await life.notes(note)} row`
      },
      seen: 'POST: nrt, 0 cookies, 1 row',
    },
    {
      there: '`always-forward` (paths, #413): GETs that write, as OAuth callbacks do',
      mark: '+',
      here: "`earlyReplay: (request) => 'always'`",
      run: async (life) => {
        const { way } = await life.ask(writing(newNote()), { by: 'forwarding' })
        return `${way}, ran in ${life.ran.join()}`
      },
      seen: 'nrt > ams, ran in ams',
    },
    {
      there: '`/litefs/health`: 503 over `max-lag`',
      mark: '+',
      here: '`pool.status()` has the lag of each server, for a health route of your own',
      run: async (life) =>
        life.behind(async () => {
          await life.write('x'.repeat(1000))
          const lag = () => life.pool.status().servers.find(({ name }) => name === 'replica-0')?.lagBytes ?? 0
          for (let tries = 0; tries < 1500 && lag() === 0; tries += 1) {
            await life.ask(reading(newNote()))
            await new Promise((resolve) => setTimeout(resolve, 10))
          }
          return `lagBytes: ${lag() > 0 ? 'over 0' : 'none'}`
        }),
      seen: 'lagBytes: over 0',
    },
    {
      there: 'a time-out of the redirect; 503 without a primary',
      mark: '+',
      run: async (life) => {
        const { faults } = life.stage.proxy
        faults.regionDown('ams')
        try {
          const refused = await life.ask(writing(newNote()), { method: 'POST', by: 'quick' })
          const read = await life.ask(reading(newNote()))
          return `write: ${refused.status}, Retry-After ${refused.headers.get('retry-after')}; read: ${read.status}`
        } finally {
          faults.regionUp('ams')
        }
      },
      seen: 'write: 503, Retry-After 1; read: 200',
    },
    {
      there: 'halt lock, `litefs run -with-halt-lock`: migrations from anywhere',
      mark: '+',
      run: async (life) => {
        await runInScope(new Scope(), () => life.pool.query('create table if not exists migrated (id int)'))
        const { rows } = await life.stage.world.admin.query<{ there: boolean }>(
          "select to_regclass('migrated') is not null as there",
        )
        return rows[0]?.there === true ? 'from nrt: the table is there' : 'lost'
      },
      seen: 'from nrt: the table is there',
    },
    {
      there: 'lease: a new primary is found by itself',
      mark: '+',
      shownBy: [
        '../packages/pg/test/promotion.integration.test.ts',
        'X4, X7, X8: node-postgres#1470, #2781, #3154, postgres#815, prisma#13493, pg-boss#447: the writes follow the primary, and so do the regions, without a restart',
      ],
    },
    { there: 'litefs-js: `getAllInstances`, internal domains', mark: 'n', why: 'the platform’s API' },
    {
      there: 'open #427, #418: WebSockets',
      mark: '+',
      run: answerToHandshake,
      seen: 'nrt > ams, answered in ams',
    },
    {
      there: 'open #433: bodies over 1 MB by a real proxy',
      mark: '+',
      here: "413 names the header that leads around the limit; or `tooLarge: 'direct'`",
      run: async (life) => {
        const [again, over] = [newNote(), newNote()]
        const refused = await life.ask(writing(again), { method: 'POST', body: LARGE })
        const region = refused.headers.get('fly-prefer-region') ?? ''
        const sent = await life.ask(writing(again), {
          method: 'POST',
          body: LARGE,
          headers: { 'fly-prefer-region': region },
        })
        const direct = await life.ask(writing(over), { method: 'POST', body: LARGE, by: 'direct' })
        return `${refused.status}, again with it: ${sent.way} ${sent.status}; direct: ${direct.way} ${direct.status}`
      },
      seen: '413, again with it: ams 200; direct: nrt 200',
    },
  ],
}

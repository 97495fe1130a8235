import { once } from 'node:events'
import { inBackground } from '@headwater/core'
import { WebSocket } from 'ws'
import { count, find, reading, times, write, writing } from './acts.ts'
import { type Handler, type Life, newNote } from './life.ts'
import type { Ancestor } from './row.ts'

const UNSAFE = ['POST', 'PUT', 'PATCH', 'DELETE']
const SURVIVORS = ['origin', 'cookie', 'authorization', 'content-type', 'x-forwarded-host', 'user-agent']

/** Opens a WebSocket at the edge in nrt, and tells where it was answered. */
export async function answerToHandshake(life: Life): Promise<string> {
  const socket = new WebSocket(life.stage.proxy.edge('nrt').url.replace('http', 'ws'))
  const [region] = await once(socket, 'message', { signal: AbortSignal.timeout(10_000) })
  socket.close()
  await once(socket, 'close', { signal: AbortSignal.timeout(10_000) })
  const { hops } = await life.stage.way()
  return `${hops.map((hop) => hop.region).join(' > ')}, answered in ${String(region)}`
}

export const FLY_RUBY: Ancestor = {
  title: 'fly-ruby 0.5.1: its 20 tests, its README, its tracker',
  rows: [
    {
      there: 'a GET neither replays nor sets a cookie',
      mark: '+',
      run: async (life) => {
        const { way, status, headers } = await life.ask(reading(newNote()))
        return `${way}: ${status}, ${headers.getSetCookie().length} cookies`
      },
      seen: 'nrt: 200, 0 cookies',
    },
    {
      there: 'POST, PUT, PATCH and DELETE replay before the app runs, always',
      mark: '+',
      run: async (life) => {
        const note = newNote()
        const handler = writing(note)
        const ran: string[] = []
        for (let time = 0; time < 60; time += 1) {
          await life.ask(handler, { method: UNSAFE[time % 4] ?? '' })
          ran.push(...life.ran)
        }
        return `handlers ran in ams ${count(ran, (region) => region === 'ams')}, ${await life.notes(note)} rows`
      },
      seen: 'handlers ran in ams 60 of 60, 60 rows',
    },
    {
      there: 'the GET after a write goes to the primary, for 5 s by the clock',
      mark: '++',
      here: 'by position: next door as soon as the replica has it, at the primary as long as it has not',
      run: async (life) => {
        const note = newNote()
        const browse = life.browser()
        return life.behind(async (resume) => {
          await browse(writing(note), { method: 'POST' })
          const behind = await browse(reading(note))
          await resume()
          const caughtUp = await browse(reading(note))
          return `behind: ${behind.way}, ${behind.text}; caught up: ${caughtUp.way}, ${caughtUp.text}`
        })
      },
      seen: 'behind: nrt > ams, "primary has 1"; caught up: nrt, "nrt has 1"',
    },
    {
      there: 'a replayed read does not renew the threshold (fly-ruby#3): polling does not keep you at the primary',
      mark: '+',
      here: "`trackReads: 'never'` counts own writes only; by default a client that polls is home once the lag is shorter than the way back and the wait ([figure](promises.md#what-it-costs))",
      run: async (life) => {
        const note = newNote()
        const browse = life.browser()
        await browse(writing(note), { method: 'POST', by: 'own-writes' })
        await life.stage.world.cluster.waitUntilCaughtUp()
        return life.behind(async () => {
          const ways = await times(5, async () => {
            await life.write('theirs')
            return (await browse(reading(note), { by: 'own-writes' })).way
          })
          return `others write meanwhile: ${count(ways, (way) => way === 'nrt')} next door`
        })
      },
      seen: 'others write meanwhile: 5 of 5 next door',
    },
    {
      there: '`Fly-Region` on every answer',
      mark: '+',
      here: '`serverTiming: true`',
      run: async (life) => {
        const { headers } = await life.ask(reading(newNote()), { by: 'timing' })
        return headers.get('server-timing')?.replace(/dur=[\d.]+/g, 'dur=…')
      },
      seen: 'headwater;desc="nrt", headwater-query;desc="replica-0 in nrt: read, 1x";dur=…',
    },
    {
      there: 'a read-only error of the database becomes a replay: writes in GETs',
      mark: '+',
      run: async (life) => {
        const note = newNote()
        const { way } = await life.ask(writing(note))
        return `${way}, ${await life.notes(note)} row`
      },
      seen: 'nrt > ams, 1 row',
    },
    {
      there: '… found in `cause`',
      mark: '++',
      here: 'in any wrapper, and where the app swallows it',
      run: async (life) => {
        const wrapped: Handler = (here) =>
          write(here, newNote()).catch((error: unknown) => {
            throw new Error('the ORM says no', { cause: { driverError: error } })
          })
        const swallowed: Handler = (here) => write(here, newNote()).catch(() => 'nothing happened')
        return `wrapped: ${(await life.ask(wrapped)).way}; swallowed: ${(await life.ask(swallowed)).way}`
      },
      seen: 'wrapped: nrt > ams; swallowed: nrt > ams',
    },
    {
      there: '`replayable_exceptions`: any library’s error may be a replay',
      mark: '+',
      here: '`replayOn`',
      run: async (life) => {
        const handler: Handler = ({ region }) =>
          (region === 'ams' ? life.stage.world.admin : life.stranger).query(
            "insert into note (body) values ('by a stranger')",
          )
        const { way, status } = await life.ask(handler, { by: 'replayOn' })
        return `25006 of another client: ${way}, ${status}`
      },
      seen: '25006 of another client: nrt > ams, 200',
    },
    {
      there: 'other errors pass',
      mark: '+',
      run: async (life) => {
        const failing =
          (status?: number): Handler =>
          async () => {
            throw Object.assign(new Error('its own'), status === undefined ? {} : { status })
          }
        const answers = [await life.ask(failing(400)), await life.ask(failing())]
        return answers.map(({ way, status }) => `${way}: ${status}`).join('; ')
      },
      seen: 'nrt: 400; nrt: 500',
    },
    {
      there: 'at home nothing replays; OPTIONS does not',
      mark: '+',
      run: async (life) => {
        const atHome = await life.ask(writing(newNote()), { method: 'POST', from: 'ams' })
        const options = await life.ask(reading(newNote()), { method: 'OPTIONS' })
        return `POST at home: ${atHome.way}; OPTIONS away: ${options.way}`
      },
      seen: 'POST at home: ams; OPTIONS away: nrt',
    },
    {
      there: 'Origin, Host, Cookie, Authorization and type survive the replay (fly-ruby#11: CSRF)',
      mark: '+',
      run: async (life) => {
        const sent = Object.fromEntries(
          SURVIVORS.map((name) => [name, name === 'content-type' ? 'text/x-own' : `own=${name}`]),
        )
        const handler: Handler = async ({ headers, region }) => [
          region,
          SURVIVORS.filter((name) => headers[name] === sent[name]),
        ]
        const { text } = await life.ask(handler, { method: 'POST', headers: sent, body: 'x' })
        const [region, kept] = JSON.parse(text) as [string, string[]]
        return `${region} got ${kept.length} of ${SURVIVORS.length} as sent`
      },
      seen: 'ams got 6 of 6 as sent',
    },
    {
      there: 'the replica’s URL from `DATABASE_URL`: one secret configures all regions (5 of its tests)',
      mark: '+',
      here: '`<region>.<db>.internal:5433`',
      shownBy: [
        '../packages/pg/test/fly-environment.integration.test.ts',
        'R1, P1: alone makes an instance abroad read next door, and replay what writes',
      ],
    },
    {
      there: 'warns when variables miss',
      mark: '+',
      here: '`HEADWATER_NO_PRIMARY_REGION`, `HEADWATER_NO_REPLICA`',
      shownBy: [
        '../packages/pg/test/fly-environment.test.ts',
        'O1: is warned of once in a process, whatever the number of pools, and shows no secret',
      ],
    },
    {
      there: '`replay_http_methods`, threshold and cookie name are options',
      mark: '+',
      here: '`earlyReplay` by request, `token.timeToLiveMillis`, `token.cookie.name`',
      run: async (life) => {
        const post = await life.ask(reading(newNote()), { method: 'POST', by: 'reading' })
        const written = await life.ask(writing(newNote()), { method: 'POST', by: 'renamed' })
        const [cookie = ''] = written.headers.getSetCookie()
        return `POST that reads: ${post.way}; ${/^\w+/.exec(cookie)?.[0]}, ${/Max-Age=\d+/.exec(cookie)?.[0]}`
      },
      seen: 'POST that reads: nrt; seen, Max-Age=5',
    },
    {
      there: '`state` tells the target why: captured_write, http_method, threshold',
      mark: '+',
      here: 'signed, in `fly-replay-src`; at the sender on `headwater:replay`',
      run: async (life) => {
        const note = newNote()
        const browse = life.browser()
        const why: Handler = async ({ headers }) =>
          /\.(write|route-prior|behind)\./.exec(String(headers['fly-replay-src']))?.[1]
        const whyWritten: Handler = async (here) => [await write(here, note), await why(here)][1]
        const whyRead: Handler = async (here) => [await find(here, note), await why(here)][1]
        return life.behind(async () => {
          const texts = [await browse(whyWritten), await browse(why, { method: 'POST' }), await browse(whyRead)]
          return texts.map(({ text }) => text).join(', ')
        })
      },
      seen: '"write", "route-prior", "behind"',
    },
    {
      there: 'rake and console: straight to the primary',
      mark: '+',
      here: 'outside a request writes go over the network',
      run: async (life) => {
        const note = newNote()
        await write({ pool: life.pool, region: 'nrt' }, note)
        return `${await life.notes(note)} row, written from ${(await life.stage.notes(note)).join()}`
      },
      seen: '1 row, written from nrt',
    },
    { there: 'regional Redis URL; sqlite', mark: 'n', why: 'Headwater is for Postgres' },
    {
      there: 'known issue: a session’s row that each GET updates sends all to the primary',
      mark: '+',
      here: 'the touch in the [background](background.md#sessions)',
      shownBy: [
        '../test/session-touch.e2e.test.ts',
        'P12: 25 of 25 GETs that touch the session stay in their region; without it they cross',
      ],
    },
    {
      there: 'its TODO: writes of GETs in the background (never delivered)',
      mark: '+',
      here: '`inBackground()`',
      run: async (life) => {
        const note = newNote()
        const handler: Handler = async (here) => {
          inBackground(() => write(here, note))
          return find(here, newNote())
        }
        const answers = await times(25, () => life.ask(handler))
        const cookies = answers.flatMap(({ headers }) => headers.getSetCookie()).length
        for (let tries = 0; tries < 500 && (await life.notes(note)) < 25; tries += 1)
          await new Promise((resolve) => setTimeout(resolve, 10))
        return `${count(answers, ({ way }) => way === 'nrt')} stay in nrt, ${cookies} cookies, ${await life.notes(note)} rows`
      },
      seen: '25 of 25 stay in nrt, 0 cookies, 25 rows',
    },
    {
      there: 'open #21 of 2022: replay WebSocket handshakes (never delivered)',
      mark: '+',
      here: '`replayUpgrade()`, `scopePerMessage()` ([connections](connections.md))',
      run: answerToHandshake,
      seen: 'nrt > ams, answered in ams',
    },
  ],
}

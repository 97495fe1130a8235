import { PrimaryUnavailable } from '@headwater/core'
import { reading, writing } from './acts.ts'
import { type Handler, newNote } from './life.ts'
import type { Ancestor } from './row.ts'

export const FLY_NODE: Ancestor = {
  title: 'fly-node, Navigator',
  rows: [
    {
      there: 'fly-node: 25006 of Prisma’s own engine is replayed',
      mark: '+',
      here: '`replayOn: needsPrimary`; through `@prisma/adapter-pg` by itself',
      run: async (life) => {
        const cause = { kind: 'postgres', originalCode: '25006', originalMessage: 'cannot execute INSERT' }
        const handler: Handler = async ({ region }) => {
          if (region === 'ams') return region
          throw Object.assign(new Error('Raw query failed'), { code: 'P2010', meta: { driverAdapterError: { cause } } })
        }
        const { way, status } = await life.ask(handler, { by: 'replayOn' })
        return `${way}, ${status}`
      },
      seen: 'nrt > ams, 200',
    },
    {
      there: 'fly-node#2 (2023, open): Fastify',
      mark: '−',
      why: 'Hono, Express and Koa are what Headwater keeps; [`openNodeRequest()`](../packages/http#another-framework) is the seam for others',
    },
    {
      there:
        'Navigator: its own proxy, instead of a replay, for bodies over 1 MB, WebSockets and methods that are not listed',
      mark: '~',
      here: 'handshakes and all methods are replayed; large bodies go around the limit',
      why: 'Headwater forwards no body by itself: the platform’s proxy does, and an app can ([recipe](../packages/http#large-bodies))',
      run: async (life) => {
        const ways = [
          await life.ask(writing(newNote()), { method: 'PROPFIND' }),
          await life.ask(writing(newNote()), { method: 'PURGE' }),
        ]
        const large = await life.ask(writing(newNote()), { method: 'POST', body: 'x'.repeat(2_000_000) })
        return `PROPFIND: ${ways[0]?.way}; PURGE: ${ways[1]?.way}; 2 MB: ${large.status}, ${large.headers.get('fly-prefer-region')}`
      },
      seen: 'PROPFIND: nrt > ams; PURGE: nrt > ams; 2 MB: 413, ams',
    },
    {
      there: 'Navigator: rules by path to a region, app or machine; `set_headers`',
      mark: 'n',
      why: 'a replay is for the primary; any other target is the app’s own answer',
    },
    {
      there: 'Navigator: a replay that failed shows a maintenance page',
      mark: '+',
      here: '503 with `Retry-After`; the page is the app’s',
      run: async (life) => {
        const atHome: Handler = async () => {
          throw new PrimaryUnavailable(new Error('connect ECONNREFUSED'))
        }
        life.stage.proxy.faults.regionDown('ams')
        try {
          const away = await life.ask(writing(newNote()), { method: 'POST', by: 'quick' })
          const read = await life.ask(reading(newNote()))
          life.stage.proxy.faults.regionUp('ams')
          const home = await life.ask(atHome, { from: 'ams' })
          return `away: ${away.status}, ${away.headers.get('cache-control')}; read: ${read.status}; no primary: ${home.status}, Retry-After ${home.headers.get('retry-after')}`
        } finally {
          life.stage.proxy.faults.regionUp('ams')
        }
      },
      seen: 'away: 503, no-store; read: 200; no primary: 503, Retry-After 1',
    },
  ],
}

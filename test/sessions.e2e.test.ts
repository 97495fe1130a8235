import { createServer, type RequestListener } from 'node:http'
import type { Express } from 'express'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { SCHEMA as BETTER_AUTH_SCHEMA, betterAuthOnExpress, betterAuthOnHono } from './sessions/better-auth.ts'
import { expressApp, LAYOUTS } from './sessions/express-sessions.ts'
import { honoApp, koaApp, type SessionAppOptions } from './sessions/other-sessions.ts'
import { SCHEMA } from './sessions/tables.ts'
import { Visitor } from './sessions/visitor.ts'
import { listen, REGIONS, SECRET, Stage } from './stage.ts'

const KINDS: Readonly<Record<string, (options: SessionAppOptions) => RequestListener | Express>> = {
  ...Object.fromEntries(
    Object.entries(LAYOUTS).map(([name, layout]) => [
      name,
      (options: SessionAppOptions) => expressApp(options, layout),
    ]),
  ),
  'koa-session': koaApp,
  'hono-sessions': honoApp,
}
const NAMES = Object.keys(KINDS)

const BETTER_AUTH: readonly string[] = ['better-auth on Express', 'better-auth on Hono']
const APPS = [...Object.values(KINDS), betterAuthOnExpress, betterAuthOnHono]
const ALL_NAMES = [...NAMES, ...BETTER_AUTH]

/** How many sign in at once: fewer where the lag is not the longest one, so that all of this takes half a minute. */
const visitorsAt = (lagMillis: number): number => (lagMillis === 400 ? 40 : 8)

let stage: Stage

beforeAll(async () => {
  // better-auth prints each late replay.
  vi.spyOn(console, 'error').mockImplementation(() => {})
  stage = await Stage.open({
    schema: SCHEMA + BETTER_AUTH_SCHEMA,
    // At home, too, there is a replica that lags.
    pool: (region, cluster) => ({
      replicas: cluster.replicas.map(({ url }) => ({ region, connectionString: url })),
      maxWaitMillis: 50,
    }),
    startApp: ({ pool }) => {
      // Every write is tried here first: the session's is met late, while the response ends.
      const apps = APPS.map((start) => start({ pool, secret: SECRET, earlyReplay: false }))
      return listen(
        createServer((request, response) => {
          const [, kind, path] = /^\/(\d+)(\/.*)$/.exec(request.url ?? '') ?? []
          request.url = path ?? '/'
          const app = apps[Number(kind)] as RequestListener | undefined
          if (app === undefined) response.writeHead(404).end()
          else app(request, response)
        }),
      )
    },
  })
})
afterAll(async () => {
  vi.restoreAllMocks()
  await stage?.[Symbol.asyncDispose]()
})

const visitors = (name: string, region: (typeof REGIONS)[number], count: number): Visitor[] =>
  Array.from({ length: count }, () => new Visitor(stage, region, `/${ALL_NAMES.indexOf(name)}`))

describe.each([0, 20, 400])('a replica %d ms behind', (lagMillis) => {
  const count = visitorsAt(lagMillis)

  beforeAll(async () => {
    await stage.world.replica().lag(lagMillis)
  })

  describe.each(REGIONS)('in %s', (region) => {
    test.each(NAMES)('P11: %s: who has signed in is signed in on the next page', async (name) => {
      const ways: readonly [string, string][] = [
        ['POST', '/sign-in'],
        ['GET', '/sign-in'],
        ['POST', '/sign-in-silently'],
        ['POST', '/sign-in-and-go'],
      ]
      const seen = await Promise.all(
        visitors(name, region, count).map(async (visitor, at) => {
          const [method, path] = ways[at % ways.length] ?? ['POST', '/sign-in']
          const user = `visitor ${at}`
          const answer = await visitor.ask(`${path}?user=${user}`, { method })
          if (path === '/sign-in-and-go') expect.soft(answer, path).toMatchObject({ user })
          return (await visitor.ask('/me')) as { readonly user: string | null }
        }),
      )
      const signedIn = seen.filter(({ user }, at) => user === `visitor ${at}`)
      expect(signedIn.length).toBe(count)
    })

    test.each(BETTER_AUTH)('P11: %s: who has signed up, or in, is signed in on the next page', async (name) => {
      const isSignedIn = async (visitor: Visitor, path: string, at: number): Promise<boolean> => {
        const email = `visitor.${ALL_NAMES.indexOf(name)}.${lagMillis}.${at}@${region}.example`
        await visitor.post(path, { email, password: 'a password of this suite', name: `visitor ${at}` })
        const seen = (await visitor.ask('/api/auth/get-session')) as { user?: { email: string } } | null
        return seen?.user?.email === email
      }
      const signedUp = await Promise.all(
        visitors(name, region, count / 2).map((visitor, at) => isSignedIn(visitor, '/api/auth/sign-up/email', at)),
      )
      // On another device, which knows nothing of the first one's token.
      await stage.world.cluster.waitUntilCaughtUp()
      const signedIn = await Promise.all(
        visitors(name, region, count / 2).map((visitor, at) => isSignedIn(visitor, '/api/auth/sign-in/email', at)),
      )
      expect([...signedUp, ...signedIn].filter(Boolean).length).toBe(count)
    })

    test.each(NAMES)('P11: %s: what a GET changes in its session is stored', async (name) => {
      await Promise.all(
        visitors(name, region, 4).map(async (visitor) => {
          for (let seen = 1; seen <= 10; seen += 1) expect(await visitor.ask('/count')).toMatchObject({ count: seen })
        }),
      )
    })
  })
})

import { withConsistency } from '@headwater/core'
import type { ReplayTarget } from '@headwater/http'
import { headwater } from '@headwater/http/hono'
import type { RoutedPool } from '@headwater/pg'
import { type Context, Hono } from 'hono'
import type pg from 'pg'
import { type Ask, addNote, listNotes, viewNewestNote } from './notes.ts'
import type { RegionCode } from './regions.ts'
import { lease, type Visit } from './visit.ts'

export interface AppOptions {
  readonly region: RegionCode
  readonly pool: RoutedPool
  /** Straight to the primary, wherever it is: what an app does without Headwater. */
  readonly naivePool: pg.Pool
  readonly secret: string
  /** How a request gets to the primary's region. */
  readonly replayTarget: ReplayTarget
  readonly nodeAt: (port: number) => RegionCode | undefined
  readonly onVisit: (visit: Visit) => void
}

type Environment = { Variables: { visit: Visit } }

/** The notes app, as it runs in every region. Headwater is one line of it; the rest only watches. */
export function createApp(options: AppOptions): Hono<Environment> {
  const { region, pool, naivePool, nodeAt } = options
  const app = new Hono<Environment>()

  app.use(async (context, next) => {
    const visit = openVisit(context, region)
    context.set('visit', visit)
    await next()
    visit.endedAt = performance.now()
    options.onVisit(visit)
  })

  app.use(
    headwater({
      pool,
      secret: options.secret,
      replayTarget: options.replayTarget,
      skip: ({ url }) => url.startsWith('/naive/'),
    }),
  )

  app.use(async (context, next) => {
    context.get('visit').hasReachedHandler = true
    await next()
  })

  const run = async <Result>(context: Context<Environment>, from: pg.Pool, work: (ask: Ask) => Promise<Result>) => {
    const answer = (): Promise<Result> => lease(from, context.get('visit'), nodeAt, work)
    // The page's switch: any replica will do, whatever the visitor has seen.
    const isEventual = context.req.query('consistency') === 'eventual'
    return context.json(await (isEventual ? withConsistency('eventual', answer) : answer()))
  }

  app.get('/notes', (context) => run(context, pool, listNotes))
  app.get('/notes/newest', (context) => run(context, pool, viewNewestNote))
  app.post('/notes', async (context) => {
    const body = await context.req.text()
    return await run(context, pool, (ask) => addNote(ask, body, region))
  })
  app.post('/naive/notes', async (context) => {
    const body = await context.req.text()
    return await run(context, naivePool, (ask) => addNote(ask, body, region))
  })

  app.onError((error, context) => {
    // Headwater's errors know their HTTP answer: 503 with Retry-After, for one.
    if ('getResponse' in error && typeof error.getResponse === 'function') return error.getResponse()
    return context.text('The database could not be reached.', 500)
  })
  return app
}

function openVisit(context: Context, region: RegionCode): Visit {
  const startedAt = performance.now()
  return {
    requestId: context.req.header('fly-request-id') ?? '',
    region,
    startedAt,
    endedAt: startedAt,
    hasReachedHandler: false,
    scope: undefined,
    queries: [],
  }
}

import { ensurePrimary } from '@headwater/core'
import { headwater, replayErrorHandler } from '@headwater/http/express'
import type express from 'express'

const topology = { region: 'nrt', primaryRegion: 'ams', isAtHome: false, hasReplica: true }

/** What the middleware of an error reporter sees. */
export type OnError = (error: unknown) => void

/**
 * An app away from the primary: `/note` meets a write late, inside an ORM that wraps the error, and `/broken` fails by itself. `seen` is
 * told of each error, as by a reporter that stands right behind the handler; `around` stands before everything.
 */
export function appThatFailsLate(
  framework: typeof express,
  seen: OnError = () => undefined,
  around: express.RequestHandler = (_request, _response, next) => next(),
): express.Express {
  const app = framework()
  app.use(around)
  app.use(headwater({ pool: { topology, logger: false }, secret: 'a secret of late replays' }))
  const failing = async (work: () => unknown): Promise<void> => {
    try {
      await work()
    } catch (cause) {
      const error = new Error('Failed query: insert into note', { cause })
      seen(error)
      throw error
    }
  }
  app.get('/note', () => failing(() => ensurePrimary()))
  app.get('/broken', () =>
    failing(() => {
      throw new Error('a bug')
    }),
  )
  app.use(replayErrorHandler())
  app.use(((_error, _request, response, _next) => {
    response.status(500).send('failed')
  }) satisfies express.ErrorRequestHandler)
  return app
}

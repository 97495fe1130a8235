import { headwater, replayErrorHandler } from '@headwater/http/express'
import type { RoutedPool } from '@headwater/pg'
import express, { type ErrorRequestHandler, type Express, type Request, type Response } from 'express'
import { sql } from 'kysely'
import type { ZodType } from 'zod'
import type { Database } from './database.ts'
import type { Environment } from './environment.ts'
import { addNote, listNotes, noteInput, signInInput } from './notes.ts'
import { page } from './page.ts'
import { replayTargetOf } from './replay-target.ts'
import { sessions, signIn, signOut } from './sessions.ts'

/** The app as it runs in every region. Headwater is two lines of it. */
export function createApp(pool: RoutedPool, database: Database, environment: Environment): Express {
  const { SESSION_SECRET, HEADWATER_SECRET, FLY_REGION: region = 'local' } = environment
  const app = express()
  app.disable('x-powered-by')
  // Fly's proxy says whether the client came by https.
  app.set('trust proxy', true)

  // A health check asks this machine, and is never handed over to another.
  app.use(
    headwater({
      pool,
      secret: HEADWATER_SECRET,
      replayTarget: replayTargetOf(environment),
      skip: ({ url }) => url.startsWith('/health'),
    }),
  )
  app.use((_request, response, next) => {
    response.set('x-served-by', region)
    next()
  })
  app.get('/health', async (_request, response) => {
    await sql`select 1`.execute(database)
    response.json({ status: 'ok', region })
  })

  app.use(express.json(), express.urlencoded())
  app.use(sessions(pool, SESSION_SECRET))

  const show = async (request: Request, response: Response, complaint?: string): Promise<void> => {
    const notes = await listNotes(database)
    const { name } = request.session
    response.status(complaint === undefined ? 200 : 400).type('html')
    response.send(page({ notes, name, region, complaint }).text)
  }

  app.get('/', (request, response) => show(request, response))
  app.post('/sign-in', async (request, response) => {
    const input = signInInput.safeParse(request.body)
    if (!input.success) return await show(request, response, messageOf(input.error))
    await signIn(request, input.data.name)
    response.redirect(303, '/')
  })
  app.post('/sign-out', async (request, response) => {
    await signOut(request)
    response.redirect(303, '/')
  })
  app.post('/notes', async (request, response) => {
    const input = noteInput.safeParse(request.body)
    if (!input.success) return await show(request, response, messageOf(input.error))
    const { name } = request.session
    if (name === undefined) return await show(request, response, 'Sign in first.')
    await addNote(database, name, input.data.body, region)
    response.redirect(303, '/')
  })

  app.get('/api/session', (request, response) => {
    const { name } = request.session
    if (name === undefined) response.status(401).json({ error: 'not signed in' })
    else response.json({ name })
  })
  app.post('/api/session', async (request, response) => {
    const { name } = inputOf(request, signInInput)
    await signIn(request, name)
    response.status(201).json({ name })
  })
  app.delete('/api/session', async (request, response) => {
    await signOut(request)
    response.status(204).end()
  })
  app.get('/api/notes', async (_request, response) => {
    response.json(await listNotes(database))
  })
  app.post('/api/notes', async (request, response) => {
    const { body } = inputOf(request, noteInput)
    const { name } = request.session
    if (name === undefined) response.status(401).json({ error: 'not signed in' })
    else response.status(201).json(await addNote(database, name, body, region))
  })

  app.use(replayErrorHandler())
  app.use(answerError)
  return app
}

/** What a client sent is not what was expected. */
class InputInvalid extends Error {
  readonly status = 400
}

function inputOf<Input>(request: Request, schema: ZodType<Input>): Input {
  const input = schema.safeParse(request.body)
  if (input.success) return input.data
  throw new InputInvalid(messageOf(input.error))
}

/** Four parameters: Express knows an error handler by them. */
const answerError: ErrorRequestHandler = (error: unknown, _request, response, next) => {
  if (response.headersSent) return next(error)
  // Express's own errors, Headwater's (503 with Retry-After) and ours know their answer.
  const { status, headers, message } = Object(error) as { status?: unknown; headers?: unknown; message?: unknown }
  if (typeof status !== 'number') {
    console.error(error)
    response.status(500).json({ error: 'something went wrong' })
    return
  }
  if (typeof headers === 'object') response.set(headers)
  response.status(status).json({ error: status < 500 ? message : 'try again later' })
}

function messageOf(error: { readonly issues: readonly { path: PropertyKey[]; message: string }[] }): string {
  return error.issues.map(({ path, message }) => [...path, message].join(': ')).join('; ')
}

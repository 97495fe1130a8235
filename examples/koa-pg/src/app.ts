import { headwater } from '@headwater/http/koa'
import type { RoutedPool } from '@headwater/pg'
import { bodyParser } from '@koa/bodyparser'
import Router, { type RouterContext } from '@koa/router'
import Koa from 'koa'
import type { ZodType } from 'zod'
import type { Environment } from './environment.ts'
import { addNote, listNotes, noteInput, signInInput } from './notes.ts'
import { page } from './page.ts'
import { replayTargetOf } from './replay-target.ts'
import { closeSession, findSession, openSession, SESSION_SECONDS, type Session } from './sessions.ts'

const COOKIE = 'guest_book'

/** The app as it runs in every region. Headwater is one line of it. */
export function createApp(pool: RoutedPool, environment: Environment): Koa {
  const { SESSION_SECRET, HEADWATER_SECRET, FLY_REGION: region = 'local' } = environment
  const app = new Koa()
  app.keys = [SESSION_SECRET]
  // Fly's proxy says whether the client came by https; then cookies are `secure`.
  app.proxy = true

  app.use(async (context, next) => {
    context.set('x-served-by', region)
    try {
      await next()
    } catch (error) {
      answerError(context, error)
    }
  })
  // A health check asks this machine, and is never handed over to another.
  app.use(
    headwater({
      pool,
      secret: HEADWATER_SECRET,
      replayTarget: replayTargetOf(environment),
      skip: ({ url }) => url.startsWith('/health'),
    }),
  )
  app.use(bodyParser())

  const sessionOf = async (context: RouterContext): Promise<Session | undefined> => {
    const id = context.cookies.get(COOKIE, { signed: true })
    return id ? await findSession(pool, id) : undefined
  }
  const signIn = async (context: RouterContext, name: string): Promise<void> => {
    const { id } = await openSession(pool, name)
    // Lax: no other site's form is sent with it.
    const maxAge = SESSION_SECONDS * 1000
    context.cookies.set(COOKIE, id, { signed: true, httpOnly: true, sameSite: 'lax', maxAge })
  }
  const signOut = async (context: RouterContext): Promise<void> => {
    const session = await sessionOf(context)
    if (session !== undefined) await closeSession(pool, session.id)
    context.cookies.set(COOKIE, null, { signed: true })
  }
  const show = async (context: RouterContext, complaint?: string): Promise<void> => {
    const notes = await listNotes(pool)
    const session = await sessionOf(context)
    context.status = complaint === undefined ? 200 : 400
    context.type = 'html'
    context.body = page({ notes, name: session?.name, region, complaint }).text
  }
  const seeOther = (context: RouterContext, path: string): void => {
    context.status = 303
    context.redirect(path)
  }

  const router = new Router()
  router.get('/health', async (context) => {
    await pool.query('select 1')
    context.body = { status: 'ok', region }
  })

  router.get('/', (context) => show(context))
  router.post('/sign-in', async (context) => {
    const input = signInInput.safeParse(context.request.body)
    if (!input.success) return await show(context, messageOf(input.error))
    await signIn(context, input.data.name)
    seeOther(context, '/')
  })
  router.post('/sign-out', async (context) => {
    await signOut(context)
    seeOther(context, '/')
  })
  router.post('/notes', async (context) => {
    const input = noteInput.safeParse(context.request.body)
    if (!input.success) return await show(context, messageOf(input.error))
    const session = await sessionOf(context)
    if (session === undefined) return await show(context, 'Sign in first.')
    await addNote(pool, session.name, input.data.body, region)
    seeOther(context, '/')
  })

  router.get('/api/session', async (context) => {
    const { name } = signedIn(await sessionOf(context))
    context.body = { name }
  })
  router.post('/api/session', async (context) => {
    const { name } = inputOf(context, signInInput)
    await signIn(context, name)
    context.status = 201
    context.body = { name }
  })
  router.delete('/api/session', async (context) => {
    await signOut(context)
    context.status = 204
  })
  router.get('/api/notes', async (context) => {
    context.body = await listNotes(pool)
  })
  router.post('/api/notes', async (context) => {
    const { body } = inputOf(context, noteInput)
    const { name } = signedIn(await sessionOf(context))
    context.body = await addNote(pool, name, body, region)
    context.status = 201
  })
  app.use(router.routes()).use(router.allowedMethods())
  return app
}

/** A request that cannot be answered as it is. */
class Refused extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

function signedIn(session: Session | undefined): Session {
  if (session !== undefined) return session
  throw new Refused(401, 'not signed in')
}

function inputOf<Input>(context: RouterContext, schema: ZodType<Input>): Input {
  const input = schema.safeParse(context.request.body)
  if (input.success) return input.data
  throw new Refused(400, messageOf(input.error))
}

function answerError(context: Koa.Context, error: unknown): void {
  // Koa's own errors, Headwater's (503 with Retry-After) and ours know their answer.
  const { status, headers, message } = Object(error) as { status?: unknown; headers?: unknown; message?: unknown }
  if (typeof status !== 'number') {
    console.error(error)
    context.status = 500
    context.body = { error: 'something went wrong' }
    return
  }
  if (typeof headers === 'object') context.set({ ...headers })
  context.status = status
  context.body = { error: status < 500 ? message : 'try again later' }
}

function messageOf(error: { readonly issues: readonly { path: PropertyKey[]; message: string }[] }): string {
  return error.issues.map(({ path, message }) => [...path, message].join(': ')).join('; ')
}

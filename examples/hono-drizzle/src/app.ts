import { headwater } from '@headwater/http/hono'
import { type Context, Hono } from 'hono'
import { deleteCookie, getSignedCookie, setSignedCookie } from 'hono/cookie'
import { HTTPException } from 'hono/http-exception'
import type { ZodType } from 'zod'
import type { Database } from './database.ts'
import type { Environment } from './environment.ts'
import { addNote, listNotes, noteInput, signInInput } from './notes.ts'
import { page } from './page.ts'
import { replayTargetOf } from './replay-target.ts'
import { closeSession, findSession, openSession, SESSION_SECONDS, type Session } from './sessions.ts'

const COOKIE = 'guest_book'

/** The app as it runs in every region. Headwater is one line of it. */
export function createApp(database: Database, environment: Environment): Hono {
  const { SESSION_SECRET, HEADWATER_SECRET, FLY_REGION: region = 'local' } = environment
  const app = new Hono()

  // A health check asks this machine, and is never handed over to another.
  app.use(
    headwater({
      pool: database.$client,
      secret: HEADWATER_SECRET,
      replayTarget: replayTargetOf(environment),
      skip: ({ url }) => url.startsWith('/health'),
    }),
  )
  app.use(async (context, next) => {
    await next()
    context.header('x-served-by', region)
  })

  const sessionOf = async (context: Context): Promise<Session | undefined> => {
    const id = await getSignedCookie(context, SESSION_SECRET, COOKIE)
    return id ? await findSession(database, id) : undefined
  }
  const signIn = async (context: Context, name: string): Promise<void> => {
    const { id } = await openSession(database, name)
    await setSignedCookie(context, COOKIE, id, SESSION_SECRET, {
      path: '/',
      httpOnly: true,
      // Lax: no other site's form is sent with it.
      sameSite: 'Lax',
      secure: context.req.header('x-forwarded-proto') === 'https',
      maxAge: SESSION_SECONDS,
    })
  }
  const signOut = async (context: Context): Promise<void> => {
    const session = await sessionOf(context)
    if (session !== undefined) await closeSession(database, session.id)
    deleteCookie(context, COOKIE, { path: '/' })
  }
  const show = async (context: Context, complaint?: string): Promise<Response> => {
    const [notes, session] = [await listNotes(database), await sessionOf(context)]
    return await context.html(
      page({ notes, name: session?.name, region, complaint }),
      complaint === undefined ? 200 : 400,
    )
  }

  app.get('/health', async (context) => {
    await database.execute('select 1')
    return context.json({ status: 'ok', region })
  })

  app.get('/', (context) => show(context))
  app.post('/sign-in', async (context) => {
    const input = signInInput.safeParse(await context.req.parseBody())
    if (!input.success) return await show(context, messageOf(input.error))
    await signIn(context, input.data.name)
    return context.redirect('/', 303)
  })
  app.post('/sign-out', async (context) => {
    await signOut(context)
    return context.redirect('/', 303)
  })
  app.post('/notes', async (context) => {
    const input = noteInput.safeParse(await context.req.parseBody())
    if (!input.success) return await show(context, messageOf(input.error))
    const session = await sessionOf(context)
    if (session === undefined) return await show(context, 'Sign in first.')
    await addNote(database, session.name, input.data.body, region)
    return context.redirect('/', 303)
  })

  app.get('/api/session', async (context) => {
    const session = await sessionOf(context)
    return session === undefined ? context.json({ error: 'not signed in' }, 401) : context.json({ name: session.name })
  })
  app.post('/api/session', async (context) => {
    const { name } = await bodyOf(context, signInInput)
    await signIn(context, name)
    return context.json({ name }, 201)
  })
  app.delete('/api/session', async (context) => {
    await signOut(context)
    return context.body(null, 204)
  })
  app.get('/api/notes', async (context) => context.json(await listNotes(database)))
  app.post('/api/notes', async (context) => {
    const { body } = await bodyOf(context, noteInput)
    const session = await sessionOf(context)
    if (session === undefined) return context.json({ error: 'not signed in' }, 401)
    return context.json(await addNote(database, session.name, body, region), 201)
  })

  app.onError((error, context) => {
    // Headwater's errors and Hono's own know their answer: 503 with Retry-After, for one. Drizzle wraps what a query fails with.
    const known = [error, error.cause].find(hasAnswer)
    if (known !== undefined) return known.getResponse()
    // Drizzle's wrapper has the parameters of the query in its message; what they are is nobody's business in a log.
    console.error(error.cause ?? error)
    return context.json({ error: 'something went wrong' }, 500)
  })
  return app
}

/** The JSON body of a request, checked. Throws the 400 that says what was expected. */
async function bodyOf<Input>(context: Context, schema: ZodType<Input>): Promise<Input> {
  const json: unknown = await context.req.json().catch(() => undefined)
  const input = schema.safeParse(json)
  if (input.success) return input.data
  throw new HTTPException(400, { res: context.json({ error: messageOf(input.error) }, 400) })
}

function hasAnswer(error: unknown): error is { getResponse(): Response } {
  return error instanceof Error && 'getResponse' in error && typeof error.getResponse === 'function'
}

function messageOf(error: { readonly issues: readonly { path: PropertyKey[]; message: string }[] }): string {
  return error.issues.map(({ path, message }) => [...path, message].join(': ')).join('; ')
}

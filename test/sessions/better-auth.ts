import type { RequestListener } from 'node:http'
import { registerHooks } from 'node:module'
import { headwater } from '@headwater/http/express'
import { headwater as headwaterForHono } from '@headwater/http/hono'
import { getRequestListener } from '@hono/node-server'
import express, { type RequestHandler } from 'express'
import { Hono } from 'hono'
import type { SessionAppOptions } from './other-sessions.ts'

// Its packages answer to the condition "dev-source", as ours do, but publish no sources that run.
registerHooks({
  resolve: (specifier, context, next) => {
    if (context.parentURL?.includes('better-auth') !== true) return next(specifier, context)
    return next(specifier, { ...context, conditions: context.conditions.filter((name) => name !== 'dev-source') })
  },
})

interface Hashed {
  readonly hash: string
  readonly password: string
}

interface Auth {
  handler(request: Request): Promise<Response>
}

const dist = new URL('../node_modules/better-auth/dist/', import.meta.url)
const { betterAuth }: { betterAuth(options: object): Auth } = await import(new URL('index.mjs', dist).href)
const { toNodeHandler }: { toNodeHandler(auth: Auth): RequestHandler } = await import(
  new URL('integrations/node.mjs', dist).href
)

/** better-auth over the pool as its documentation gives it: `database: pool`. */
function authOver({ pool }: SessionAppOptions): Auth {
  return betterAuth({
    database: pool,
    secret: 'a secret of the session suite, long enough',
    baseURL: 'http://127.0.0.1',
    emailAndPassword: {
      enabled: true,
      // Hashing is not what is tried here.
      password: {
        hash: async (password: string) => `hash of ${password}`,
        verify: async ({ hash, password }: Hashed) => hash === `hash of ${password}`,
      },
    },
    advanced: { disableCSRFCheck: true, disableOriginCheck: true },
    // connect-pg-simple has the name "session" in this suite.
    session: { modelName: 'visitor_session' },
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    logger: { disabled: true },
  })
}

export function betterAuthOnExpress(options: SessionAppOptions): RequestListener {
  const app = express()
  app.use(headwater(options) as RequestHandler)
  app.all('/api/auth/*path', toNodeHandler(authOver(options)))
  return app
}

export function betterAuthOnHono(options: SessionAppOptions): RequestListener {
  const app = new Hono()
  const auth = authOver(options)
  app.use(headwaterForHono(options))
  app.on(['GET', 'POST'], '/api/auth/*', (context) => auth.handler(context.req.raw))
  return getRequestListener(app.fetch)
}

/** Its tables. Source: https://www.better-auth.com/docs/concepts/database, "Core Schema". */
export const SCHEMA = `
  create table "user" (id text primary key, name text not null, email text not null unique,
    "emailVerified" boolean not null, image text, "createdAt" timestamptz not null default now(),
    "updatedAt" timestamptz not null default now());
  create table visitor_session (id text primary key, "expiresAt" timestamptz not null, token text not null unique,
    "createdAt" timestamptz not null default now(), "updatedAt" timestamptz not null default now(), "ipAddress" text,
    "userAgent" text, "userId" text not null references "user" (id));
  create table account (id text primary key, "accountId" text not null, "providerId" text not null,
    "userId" text not null references "user" (id), "accessToken" text, "refreshToken" text, "idToken" text,
    "accessTokenExpiresAt" timestamptz, "refreshTokenExpiresAt" timestamptz, scope text, password text,
    "createdAt" timestamptz not null default now(), "updatedAt" timestamptz not null default now());
  create table verification (id text primary key, identifier text not null, value text not null,
    "expiresAt" timestamptz not null, "createdAt" timestamptz not null default now(),
    "updatedAt" timestamptz not null default now());
`

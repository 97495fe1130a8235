import { z } from 'zod'

const region = z.string().regex(/^[a-z0-9-]+$/, 'expected a region such as "ams"')
const postgresUrl = z.url({
  protocol: /^postgres(ql)?$/,
  error: 'expected postgres://user:password@host:port/database',
})
const secret = z.string().min(32, 'expected 32 characters or more (openssl rand -base64 32)')

const schema = z
  .object({
    /** Where the app listens. On Fly it is 0.0.0.0, by fly.toml; nobody else's business otherwise. */
    HOST: z.string().min(1).default('127.0.0.1'),
    PORT: z.coerce.number('expected 0 to 65535').int().min(0).max(65_535).default(8080),
    /** Fly sets it: where this machine is. Without it the app is at home. */
    FLY_REGION: region.optional(),
    /** Fly sets it, from `primary_region` of fly.toml: where the primary is. */
    PRIMARY_REGION: region.optional(),
    DATABASE_URL: postgresUrl,
    /** The replica of this region; without it everything is asked of the primary. */
    DATABASE_REPLICA_URL: postgresUrl.optional(),
    /** Who hands requests over to the primary's region: Fly's proxy, this app by itself, or another proxy in front of it. */
    REPLAY_VIA: z.enum(['fly', 'forward', 'nginx', 'haproxy']).default('fly'),
    /** Where the app of the primary's region is reached; `forward` alone needs it. */
    PRIMARY_APP_URL: z.url({ protocol: /^https?$/, error: 'expected http://host:port' }).optional(),
    /** Signs replays: the same in every region. */
    HEADWATER_SECRET: secret,
    /** Signs cookies: the same in every region, and not the one above. */
    SESSION_SECRET: secret,
  })
  .refine(({ FLY_REGION, PRIMARY_REGION }) => FLY_REGION === undefined || PRIMARY_REGION !== undefined, {
    path: ['PRIMARY_REGION'],
    error: 'is missing although FLY_REGION is set',
  })
  .refine(({ REPLAY_VIA, PRIMARY_APP_URL }) => REPLAY_VIA !== 'forward' || PRIMARY_APP_URL !== undefined, {
    path: ['PRIMARY_APP_URL'],
    error: 'is missing although REPLAY_VIA is forward',
  })

/** Everything that this app is told from outside. */
export type Environment = Readonly<z.infer<typeof schema>>

/** Checks the environment, once, at the start. Throws naming every variable that is wrong; never shows a value. */
export function readEnvironment(variables: Readonly<Record<string, string | undefined>>): Environment {
  const parsed = schema.safeParse(variables)
  if (parsed.success) return Object.freeze(parsed.data)
  const complaints = parsed.error.issues.map(({ path, message }) => `  ${path.join('.')}: ${message}`)
  throw new Error(`The environment is not complete:\n${complaints.join('\n')}\nSee README.md.`)
}

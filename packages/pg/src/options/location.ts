import { OptionsInvalid } from '@headwater/core'
import type { PoolConfig } from 'pg'
import type { Environment } from './environment.ts'

/** Whether a configuration says itself where its server is. */
export function hasLocation({ connectionString, host, port }: PoolConfig): boolean {
  return (connectionString !== undefined && connectionString !== '') || host !== undefined || port !== undefined
}

/** What pg reads by itself where nothing says where the server is. */
const PG_LOCATION = ['PGHOST', 'PGPORT', 'PGHOSTADDR', 'PGSERVICE'] as const

/**
 * Checks that a primary has an address, where regions make one expect it: pg would try 127.0.0.1:5432.
 *
 * @throws {OptionsInvalid} when neither the options nor the environment have one.
 */
export function checkLocation(config: PoolConfig, environment: Environment, region: string | undefined): void {
  if (region === undefined || hasLocation(config) || PG_LOCATION.some((name) => environment[name])) return
  throw new OptionsInvalid(
    'primary.connectionString',
    `is missing although a region is named (${region}), so pg would try 127.0.0.1:5432; set DATABASE_URL, or the option, to postgres://user:password@host:port/database of the server that accepts writes`,
  )
}

/** A URL, the path of a socket's folder, or `socket:`: what pg reads as it is written. Source: pg-connection-string 2. */
const READ_AS_WRITTEN = /^(?:[a-z][a-z0-9+.-]*:\/\/|\/|socket:)/i

/**
 * Checks that pg reads a connection string as it is meant: it takes `localhost:5433` for the scheme `localhost:`, and connects to port
 * 5432 of this machine.
 *
 * @throws {OptionsInvalid} when it has no scheme. The message never shows it: it may hold a password.
 */
export function checkScheme(origin: string, connectionString: unknown): void {
  if (typeof connectionString !== 'string' || connectionString === '' || READ_AS_WRITTEN.test(connectionString)) return
  throw new OptionsInvalid(
    origin,
    `${reasonIn(connectionString)}, so pg would connect to another server; set it to postgres://user:password@host:port/database`,
  )
}

function reasonIn(text: string): string {
  if (/^["'`]/.test(text)) return 'begins with a quotation mark, which belongs to the file or shell that sets it'
  if (/^\s/.test(text)) return 'begins with a blank'
  if (/^\w+\s*=/.test(text)) return 'is a list of key=value, which pg does not read'
  return 'has no scheme'
}

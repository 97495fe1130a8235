import { currentScope, ReplayToPrimary } from '@headwater/core'
import type { RoutedPool } from '@headwater/pg'
import { inRequest, World } from '@headwater/test-world'
import { type Generated, Kysely, type KyselyConfig } from 'kysely'
import Cursor from 'pg-cursor'
import { HeadwaterDialect, type HeadwaterDialectOptions } from '../src/index.ts'

export interface Database {
  note: { id: Generated<number>; body: string }
  /** Which server answers. */
  server: { who: string; is_standby: boolean; pid: number; isolation: string }
  'other.note': { id: Generated<number>; body: string }
}

const SCHEMA = `
  create schema other;
  create table other.note (id int primary key generated always as identity, body text not null);
  insert into note (body) values ('first'), ('second'), ('third');
  insert into other.note (body) values ('elsewhere');
`

/** The world with what these suites add to it. */
export const startWorld = (): Promise<World> => World.start({ schema: SCHEMA })

/** Where the app instance stands, and how its code runs. */
export const SETTINGS = [
  { setting: 'at home', region: 'ams', isRequest: false, write: 'primary', unknown: 'primary' },
  { setting: 'away, in a request', region: 'nrt', isRequest: true, write: 'replay', unknown: 'nrt' },
  { setting: 'away, outside a request', region: 'nrt', isRequest: false, write: 'primary', unknown: 'nrt' },
] as const

export type Setting = (typeof SETTINGS)[number]

/** An app instance: its database, and how a request to it runs. */
export interface App {
  readonly db: Kysely<Database>
  readonly pool: RoutedPool
  /** Runs as the setting says; a replay gives `'replay'`, any other error is thrown. */
  run<Result>(use: () => Promise<Result>): Promise<Result | 'replay'>
}

/** Starts an app instance, whose pool goes by the catalog. */
export async function startApp(
  world: World,
  { region, isRequest }: Pick<Setting, 'region' | 'isRequest'>,
  options: Partial<HeadwaterDialectOptions> = {},
  config: Omit<KyselyConfig, 'dialect'> = {},
): Promise<App> {
  const pool = await world.informedPool(region)
  const dialect = new HeadwaterDialect({ pool, cursor: Cursor, ...options })
  const db = new Kysely<Database>({ ...config, dialect })
  const run = async <Result>(use: () => Promise<Result>): Promise<Result | 'replay'> => {
    if (!isRequest) return use()
    return inRequest(pool, async () => {
      try {
        return await use()
      } catch (error) {
        // It surfaces as itself, in no wrapper.
        if (error instanceof ReplayToPrimary && currentScope()?.isSpent) return 'replay'
        throw error
      }
    })
  }
  return { db, pool, run }
}

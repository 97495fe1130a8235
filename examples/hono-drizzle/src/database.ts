import { drizzle, type RoutedDatabase } from '@headwater/drizzle'
import { RoutedPool } from '@headwater/pg'
import type { Environment } from './environment.ts'
import * as schema from './schema.ts'

export type Database = RoutedDatabase<typeof schema>

/** The only place that knows about regions. `database.$client` is the pool. */
export function openDatabase(environment: Environment): Database {
  const { FLY_REGION, PRIMARY_REGION, DATABASE_URL, DATABASE_REPLICA_URL } = environment
  const client = new RoutedPool({
    region: FLY_REGION,
    primary: { region: PRIMARY_REGION, connectionString: DATABASE_URL },
    replicas:
      DATABASE_REPLICA_URL === undefined ? [] : [{ region: FLY_REGION, connectionString: DATABASE_REPLICA_URL }],
    application_name: 'guest-book',
    connectionTimeoutMillis: 5000,
  })
  return drizzle({ client, schema })
}

import { RoutedPool } from '@headwater/pg'
import type { Environment } from './environment.ts'

/** The pool that routes: the only place that knows about regions. */
export function openPool(environment: Environment): RoutedPool {
  const { FLY_REGION, PRIMARY_REGION, DATABASE_URL, DATABASE_REPLICA_URL } = environment
  return new RoutedPool({
    region: FLY_REGION,
    primary: { region: PRIMARY_REGION, connectionString: DATABASE_URL },
    replicas:
      DATABASE_REPLICA_URL === undefined ? [] : [{ region: FLY_REGION, connectionString: DATABASE_REPLICA_URL }],
    application_name: 'guest-book',
    connectionTimeoutMillis: 5000,
  })
}

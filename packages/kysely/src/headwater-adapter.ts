import { PostgresAdapter } from 'kysely'

/** Kysely's own adapter for Postgres. Its class tells that a Kysely instance uses this dialect. */
export class HeadwaterAdapter extends PostgresAdapter {}

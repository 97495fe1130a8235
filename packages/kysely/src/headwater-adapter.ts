import { PostgresAdapter } from 'kysely'

/** Kysely's own adapter for Postgres; by its class a Kysely instance over this dialect is known. */
export class HeadwaterAdapter extends PostgresAdapter {}

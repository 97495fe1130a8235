import { databaseErrorIn, parseLsn } from '@headwater/core/internal'
import type { CatalogState } from './catalog-age.ts'

/** Ids of pg_class and pg_type, as pg_depend has them. */
const CLASS = `'pg_catalog.pg_class'::regclass`
const TYPE = `'pg_catalog.pg_type'::regclass`

const TEMPORARY = String.raw`'pg\_temp\_%'`
const TOAST = String.raw`'pg\_toast%'`

/** One number for all rows of a catalog, whatever their order. */
function hashOf(columns: string, from: string): string {
  return `(select pg_catalog.bit_xor(pg_catalog.hash_record_extended(row(${columns}), 0)) from ${from})`
}

/** A row's transaction changes whenever the row does; statistics are written in place, and leave it. */
const versionsOf = (catalog: string, where: string): string =>
  hashOf('oid, xmin', `pg_catalog.${catalog} where ${where}`)

/** Types that run a function where nothing names it, and by way of pg_depend all types and relations that hold one. */
const HOLDER = `holder (class, object) as (
    select ${TYPE}::oid, b.type
    from (
      select castsource as type from pg_catalog.pg_cast where oid >= 16384
      union select casttarget from pg_catalog.pg_cast where oid >= 16384
      union select oprleft from pg_catalog.pg_operator where oid >= 16384
      union select oprright from pg_catalog.pg_operator where oid >= 16384
      union select amproclefttype from pg_catalog.pg_amproc where oid >= 16384
      union select amprocrighttype from pg_catalog.pg_amproc where oid >= 16384
      union select rngtypid from pg_catalog.pg_range where rngtypid >= 16384
      union select contypid from pg_catalog.pg_constraint where contypid >= 16384
    ) b
    where b.type >= 16384
    union
    select x.class, x.object
    from holder h cross join lateral (
      select d.classid, d.objid from pg_catalog.pg_depend d
      where d.refclassid = h.class and d.refobjid = h.object and d.classid in (${TYPE}, ${CLASS})
      union all
      select ${TYPE}, c.reltype from pg_catalog.pg_class c where h.class = ${CLASS} and c.oid = h.object
    ) x (class, object)
  )`

/** Foreign tables, and what they are partitions or children of. */
const FOREIGN = `far (relation) as (
    select ftrelid from pg_catalog.pg_foreign_table
    union select i.inhparent from far join pg_catalog.pg_inherits i on i.inhrelid = far.relation
  )`

const COLUMNS = 'a.attrelid, a.attnum, a.atttypid, a.attisdropped'

/**
 * A text that is the same for as long as all is the same that `CATALOG_QUERY` reads and that a verdict may hang on.
 *
 * It leaves out what is safe without it, so that what applications do all day changes nothing. New relations and types: their names are
 * newer than the catalog. Unlogged relations: a standby refuses them aloud. Of pg_class it takes columns, not versions, and finds its
 * rows by index, so that it takes no longer where there are many tables. Statistics, sequences, temporary relations, rights, indexes
 * and triggers are not in it. Extensions whose members change by ALTER EXTENSION are left to the reading by age.
 */
const FINGERPRINT = `(
  with recursive ${HOLDER}, ${FOREIGN}
  select pg_catalog.concat_ws(' ',
    ${versionsOf('pg_proc', 'oid >= 16384')},
    ${versionsOf('pg_rewrite', 'oid >= 16384')},
    ${versionsOf('pg_policy', 'oid >= 16384')},
    ${versionsOf('pg_constraint', 'contypid >= 16384')},
    ${versionsOf('pg_cast', 'oid >= 16384')},
    ${versionsOf('pg_operator', 'oid >= 16384')},
    ${versionsOf('pg_amproc', 'oid >= 16384')},
    ${hashOf('rngtypid, xmin', 'pg_catalog.pg_range where rngtypid >= 16384')},
    ${hashOf('oid, extname', 'pg_catalog.pg_extension')},
    ${hashOf('oid, lanname, lanpltrusted', 'pg_catalog.pg_language')},
    ${hashOf('oid, nspname', `pg_catalog.pg_namespace where nspname not like ${TEMPORARY} and nspname not like ${TOAST}`)},
    ${hashOf(
      'c.oid, c.relname, c.relnamespace, c.relkind, c.relrowsecurity',
      `pg_catalog.pg_class c where c.oid in (
      select ev_class from pg_catalog.pg_rewrite where oid >= 16384
      union select polrelid from pg_catalog.pg_policy
      union select ftrelid from pg_catalog.pg_foreign_table)`,
    )},
    ${hashOf('i.inhrelid, i.inhparent', 'far join pg_catalog.pg_inherits i on i.inhrelid = far.relation')},
    ${hashOf(
      't.oid, t.typname, t.typnamespace, t.typbasetype, t.typelem',
      `holder h join pg_catalog.pg_type t on t.oid = h.object join pg_catalog.pg_namespace n on n.oid = t.typnamespace
      where h.class = ${TYPE} and n.nspname not like ${TEMPORARY}`,
    )},
    ${hashOf(
      COLUMNS,
      `holder h join pg_catalog.pg_class c on c.oid = h.object join pg_catalog.pg_attribute a on a.attrelid = c.oid
      where h.class = ${CLASS} and c.relpersistence <> 't' and a.attnum > 0`,
    )},
    case when exists (select from pg_catalog.pg_cast where oid >= 16384 and castsource < 16384 and casttarget < 16384) then
      ${hashOf(COLUMNS, 'pg_catalog.pg_attribute a where a.attrelid >= 16384 and a.attnum > 0')} end))`

/** Asks a server for the state of its catalog: one row. */
export const CATALOG_STATE: string = `select ${FINGERPRINT} as fingerprint,
  (case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
    else pg_catalog.pg_current_wal_flush_lsn() end)::text as lsn`

/** Reads the answer to `CATALOG_STATE`; `undefined` when the server has no position. */
export function parseCatalogState(fingerprint: unknown, lsn: unknown): CatalogState | undefined {
  const position = typeof lsn === 'string' ? parseLsn(lsn) : undefined
  return typeof fingerprint !== 'string' || position === undefined ? undefined : { fingerprint, lsn: position }
}

/** Whether a server refuses the question for good: unsupported (0A000, Aurora's readers), not there (42883), not allowed (42501). */
export function isStateRefused(error: unknown): boolean {
  return ['0A000', '42883', '42501'].includes(databaseErrorIn(error)?.code ?? '')
}

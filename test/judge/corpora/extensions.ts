import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import pg from 'pg'
import { type Corpus, independentTexts, type Suite, type Surroundings } from '../corpus.ts'
import { debianServer, debianSource } from '../debian-source.ts'
import { cutScript } from '../psql-script.ts'

/** Debian's packages for PostgreSQL 15, and the extensions in them. */
const EXTENSIONS: Readonly<Record<string, readonly string[]>> = {
  'postgresql-15-orafce': ['orafce'],
  'postgresql-15-postgis-3': ['postgis'],
  'postgresql-15-ip4r': ['ip4r'],
  'postgresql-15-hll': ['hll'],
  'postgresql-15-prefix': ['prefix'],
  'postgresql-15-semver': ['semver'],
  'postgresql-15-q3c': ['q3c'],
  'postgresql-15-pgq3': ['pgq'],
  'postgresql-15-tablelog': ['table_log'],
  'postgresql-15-hypopg': ['hypopg'],
  'postgresql-15-jsquery': ['jsquery'],
  'postgresql-15-rum': ['rum'],
  'postgresql-15-numeral': ['numeral'],
  'postgresql-15-debversion': ['debversion'],
  'postgresql-15-periods': ['periods'],
  'postgresql-15-partman': ['pg_partman'],
  'postgresql-15-pgsphere': ['pg_sphere'],
  'postgresql-15-tdigest': ['tdigest'],
  'postgresql-15-first-last-agg': ['first_last_agg'],
  'postgresql-15-rational': ['pg_rational'],
  'postgresql-15-icu-ext': ['icu_ext'],
}

/** Every function of other people's extensions, called with a plain value of each type, and every relation, read. */
export const extensions: Corpus = {
  name: 'extensions',
  bin: programs,
  async suites(surroundings) {
    const suites: Suite[] = []
    for (const name of Object.values(EXTENSIONS).flat()) suites.push(await callsOf(name, surroundings))
    return suites
  },
}

/** PostGIS's own regression tests. */
export const postgis: Corpus = {
  name: 'postgis',
  bin: programs,
  async suites({ cacheFolder, signal }) {
    const folder = join(await debianSource('postgis', cacheFolder, ['regress'], signal), 'regress/core')
    const files = readdirSync(folder).filter((file) => file.endsWith('.sql'))
    return files.map((file) => {
      const name = basename(file, '.sql')
      const texts = cutScript(readFileSync(join(folder, file), 'utf8'), folder)
      return { name, setup: 'create extension postgis', scripts: [{ name, isIsolated: false, texts }] }
    })
  },
}

/** The server's programs, each behind a line of shell: what the extensions link to lies where no loader looks. */
async function programs({ cacheFolder, signal }: Omit<Surroundings, 'cluster'>): Promise<string> {
  const root = await debianServer(Object.keys(EXTENSIONS), cacheFolder, signal)
  const real = join(root, 'usr/lib/postgresql/15/bin')
  const folder = join(root, 'wrapped')
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  const libraries = join(root, 'usr/lib', `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`)
  for (const program of readdirSync(real)) {
    const script = `#!/bin/sh\nLD_LIBRARY_PATH='${libraries}' exec '${join(real, program)}' "$@"\n`
    writeFileSync(join(folder, program), script, { mode: 0o755 })
  }
  return folder
}

/** A plain value of a type. One that is not here gives its null, which a strict function answers unseen. */
const VALUE = `
  case
    when type in ('integer', 'bigint', 'smallint', 'numeric', 'double precision', 'real', 'oid') then '1::' || type
    when type in ('text', 'character varying', 'name', 'character', '"char"') then '''1''::' || type
    when type = 'boolean' then 'true'
    when type in ('json', 'jsonb') then '''{"a": 1}''::' || type
    when type = 'date' or type like 'timestamp%' then '''2020-02-02''::' || type
    when type = 'interval' then '''1 day''::interval'
    when type = 'regclass' then '''pg_class''::regclass'
    when type in ('geometry', 'geography') then '''POINT(1 2)''::' || type
    when type in ('anyelement', 'anycompatible') then '1'
    when type = 'anyarray' then 'array[1]'
    when type like '%[]' then '''{1}''::' || type
    else 'null::' || type
  end`

/** A null in C that is not ready for one can end the server: there only a strict function is called with it. */
const TEXTS = `
  select sql from (
  select format('select %I.%I(%s)', nspname, proname,
           (select string_agg(${VALUE}, ', ' order by position)
              from unnest(proargtypes) with ordinality as arguments (argument, position),
                   lateral (select argument::regtype::text) as types (type))) as sql,
         prokind <> 'a' and (proisstrict or prolang <> (select oid from pg_language where lanname = 'c')) as takesnull
    from pg_proc join pg_namespace on pg_namespace.oid = pronamespace
    join pg_depend on classid = 'pg_proc'::regclass and objid = pg_proc.oid and deptype = 'e'
    join pg_extension on pg_extension.oid = refobjid and refclassid = 'pg_extension'::regclass
   where extname = $1 and prokind <> 'w'
     and prorettype not in ('trigger'::regtype, 'internal'::regtype, 'event_trigger'::regtype)
     and not proargtypes::oid[] @> array['internal'::regtype::oid]
  union all
  select format('select * from %I.%I limit 5', nspname, relname), true
    from pg_class join pg_namespace on pg_namespace.oid = relnamespace
    join pg_depend on classid = 'pg_class'::regclass and objid = pg_class.oid and deptype = 'e'
    join pg_extension on pg_extension.oid = refobjid and refclassid = 'pg_extension'::regclass
   where extname = $1 and relkind in ('r', 'v', 'm', 'p')) as texts
   where takesnull or sql not like '%null::%'
   order by sql`

async function callsOf(name: string, { cluster: { primary } }: Surroundings): Promise<Suite> {
  const setup = `create extension ${name} cascade`
  const database = `judge_${name}`
  await primary.query(`create database ${database} template template0`)
  try {
    const url = new URL(primary.url)
    url.pathname = `/${database}`
    const client = new pg.Client({ connectionString: url.href })
    await client.connect()
    try {
      await client.query(setup)
      const { rows } = await client.query<{ sql: string }>(TEXTS, [name])
      const texts = rows.map(({ sql }) => sql)
      return independentTexts(name, setup, texts)
    } catch (error) {
      // The runner meets the same, and says which one was left out.
      if (error instanceof pg.DatabaseError) return independentTexts(name, setup, [])
      throw error
    } finally {
      await client.end()
    }
  } finally {
    await primary.query(`drop database ${database} with (force)`)
  }
}

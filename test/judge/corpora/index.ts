import type { Corpus } from '../corpus.ts'
import { adversarial } from './adversarial.ts'
import { adversarialOwn } from './adversarial-own.ts'
import { graphileWorker, introspection, pgBoss, pgtap } from './applications.ts'
import { pgbench, sysbench, tpcc, tpch } from './benchmarks.ts'
import { drizzle } from './drizzle.ts'
import { extensions, postgis } from './extensions.ts'
import { grammar, grammarOddities } from './grammar.ts'
import { kysely } from './kysely.ts'
import { contrib, proceduralLanguages, regress, regress18 } from './postgres-source.ts'
import { sqlsmith, sqlsmithOddities } from './sqlsmith.ts'
import { standbyTable } from './standby-table.ts'

/** Needs nothing but the cluster. */
export const EMBEDDED: readonly Corpus[] = [
  standbyTable,
  pgbench,
  sysbench,
  tpcc,
  tpch,
  kysely,
  drizzle,
  grammar,
  grammarOddities,
  adversarial,
  adversarialOwn,
  pgBoss,
  introspection,
]

/** Needs Debian's archive on top. */
export const FETCHED: readonly Corpus[] = [
  contrib,
  proceduralLanguages,
  regress,
  regress18,
  sqlsmith,
  sqlsmithOddities,
  pgtap,
  graphileWorker,
  extensions,
  postgis,
]

export const CORPORA: readonly Corpus[] = [...EMBEDDED, ...FETCHED]

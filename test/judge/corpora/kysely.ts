import {
  type Compilable,
  type CompiledQuery,
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
} from 'kysely'
import { type Corpus, independentTexts } from '../corpus.ts'
import { type BuiltQuery, inlineParameters } from '../inline-parameters.ts'
import { kyselyReads } from './kysely-reads.ts'
import { kyselySchema } from './kysely-schema.ts'
import type { ShopDatabase } from './kysely-shop.ts'
import { kyselyWrites } from './kysely-writes.ts'
import { SHOP_SCHEMA } from './shop.ts'

/** What Kysely's builders compile to for Postgres, with its introspector's own queries. */
export const kysely: Corpus = {
  name: 'kysely',
  async suites() {
    const texts = new Set((await kyselyQueries()).map(inlineParameters))
    return [independentTexts('kysely', SHOP_SCHEMA, texts)]
  },
}

/** All of the corpus before its parameters are put in. */
export async function kyselyQueries(): Promise<readonly BuiltQuery[]> {
  const logged: CompiledQuery[] = []
  const db = new Kysely<ShopDatabase>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (self) => new PostgresIntrospector(self),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
    log({ query }) {
      logged.push(query)
    },
  })
  await db.introspection.getSchemas()
  await db.introspection.getTables()
  await db.introspection.getTables({ withInternalKyselyTables: true })
  const built: Compilable[] = [...kyselyReads(db), ...kyselyWrites(db), ...kyselySchema(db)]
  return [...logged, ...built.map((query) => query.compile())]
}

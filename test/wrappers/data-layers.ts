import { HeadwaterDialect } from '@headwater/kysely'
import type { RoutedPool } from '@headwater/pg'
import { MikroORM } from '@mikro-orm/postgresql'
import knex from 'knex'
import type { Prisma } from '../peers/prisma-client.ts'

/** An open data layer over a pool. */
export interface Notes {
  readonly write: (body: string) => Promise<unknown>
  readonly close: () => Promise<unknown>
}

/** What a data layer makes of our errors, as its authors say it is opened. */
export type OpenNotes = (pool: RoutedPool) => Promise<Notes>

const INSERT = 'insert into note (body) values ($1)'

export const openPg: OpenNotes = async (pool) => ({
  write: (body) => pool.query(INSERT, [body]),
  close: async () => undefined,
})

/** Prisma keeps the code of an error, and nothing else. */
export const openPrisma =
  ({ PrismaClient, PrismaPg }: Pick<Prisma, 'PrismaClient' | 'PrismaPg'>): OpenNotes =>
  async (pool) => {
    const prisma = new PrismaClient({ adapter: new PrismaPg(pool) })
    return {
      write: (body) => prisma.note.create({ data: { body } }),
      close: () => prisma.$disconnect(),
    }
  }

/** Knex writes its SQL into the message of the error that it catches. */
export const openKnex: OpenNotes = async (pool) => {
  const db = knex({ client: 'pg', connectionPool: pool })
  return { write: (body) => db('note').insert({ body }), close: () => db.destroy() }
}

/** MikroORM makes an error of its own, and copies own fields into it. */
export const openMikroOrm: OpenNotes = async (pool) => {
  const orm = await MikroORM.init({
    dbName: 'postgres',
    driverOptions: new HeadwaterDialect({ pool }),
    entities: [],
    discovery: { warnWhenNoEntities: false },
  })
  return {
    write: (body) => orm.em.fork().getConnection().execute(INSERT.replace('$1', '?'), [body]),
    // It would end the pool, which is not its own.
    close: async () => undefined,
  }
}

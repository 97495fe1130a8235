import { built, type Contestant, type Opened, raw, seen, spread } from './contestant.ts'
import { mapValues } from './map-values.ts'
import type { Prisma, PrismaClient } from './prisma-client.ts'
import { ASKING, SILENT } from './raw-sql.ts'
import { versionOf } from './version-of.ts'
import type { Nodes } from './world.ts'

function open({ PrismaClient, PrismaPg, readReplicas }: Prisma, { primary, replicas }: Nodes): Opened {
  const client = (connectionString: string) => new PrismaClient({ adapter: new PrismaPg({ connectionString }) })
  const main = client(primary)
  const others = replicas.map(client)
  const prisma = main.$extends(readReplicas({ replicas: others }))
  const read = async (handle: Pick<PrismaClient, 'server'>) => String((await handle.server.findFirst())?.who)
  const attempts = {
    ...mapValues(ASKING, (textOf) => raw(async (body) => (await prisma.$queryRawUnsafe(textOf(body)))[0]?.who)),
    ...mapValues(SILENT, (textOf) =>
      raw(async (body) => {
        await prisma.$executeRawUnsafe(textOf(body))
        return undefined
      }),
    ),
    select: built(() => read(prisma)),
    insert: built(async (body) => {
      await prisma.note.create({ data: { body } })
      return undefined
    }),
    writingView: built(async () => {
      await prisma.writing.findFirst()
      return undefined
    }),
    transaction: built((body) =>
      prisma.$transaction(async (tx) => {
        const who = await read(tx)
        await tx.note.create({ data: { body } })
        return who
      }),
    ),
    serializable: built(() => prisma.$transaction(read, { isolationLevel: 'Serializable' })),
    readAfterWrite: built(async (body) => {
      const { id } = await prisma.note.create({ data: { body } })
      const row = await prisma.note.findUnique({ where: { id } })
      // While the replicas are behind, only the primary has it.
      return seen(row === null ? undefined : { who: 'primary', count: 1 })
    }),
    manyReads: built(() => spread(() => read(prisma))),
    noReplica: built(() => read(prisma)),
  } satisfies Opened['attempts']
  // Prisma prepares every statement: two at once cannot be said.
  const { twoStatements: _, ...possible } = attempts
  return {
    close: () => Promise.all([main, ...others].map((each) => each.$disconnect())),
    attempts: mapValues(possible, ({ run, isRaw }) => ({
      isRaw,
      run: (body: string) =>
        run(body).catch((error: unknown) => {
          throw originalOf(error)
        }),
    })),
  }
}

/** The database's own error, out of Prisma's. */
function originalOf(error: unknown): unknown {
  const { meta } = Object(error) as { meta?: { driverAdapterError?: { cause?: Record<string, unknown> } } }
  const cause = meta?.driverAdapterError?.cause
  if (cause === undefined) return error
  const code = cause['kind'] === 'DatabaseNotReachable' ? 'ECONNREFUSED' : cause['originalCode']
  return Object.assign(new Error(String(cause['originalMessage'])), { code })
}

/** `@prisma/extension-read-replicas` as its README has it, with driver adapters. */
export const prismaPeer = (prisma: Prisma): Contestant => ({
  name: '`@prisma/extension-read-replicas`',
  version: versionOf('@prisma/extension-read-replicas'),
  open: async (nodes) => open(prisma, nodes),
})

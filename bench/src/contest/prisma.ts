import { execFile } from 'node:child_process'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { CONNECTIONS, type Contender, type Servers } from './contender.ts'
import { anyPost, BODY, pageOf } from './workloads.ts'

/** What of a generated client is used here. */
interface PrismaClient {
  readonly post: { findUnique(options: object): Promise<unknown> }
  readonly entry: { create(options: object): Promise<unknown> }
  $transaction(run: (tx: PrismaClient) => Promise<unknown>): Promise<unknown>
  $extends(extension: unknown): PrismaClient
  $disconnect(): Promise<void>
}

/** Makes contenders of a client that was generated. */
export interface Prisma extends AsyncDisposable {
  open(servers: Servers, name: string): Contender
}

const SCHEMA = `
generator client {
  provider            = "prisma-client"
  output              = "./generated"
  importFileExtension = "ts"
}
datasource db {
  provider = "postgresql"
}
model author {
  id   Int    @id
  name String
  post post[]
}
model post {
  id        Int       @id
  author_id Int
  title     String
  author    author    @relation(fields: [author_id], references: [id])
  comment   comment[]
}
model comment {
  id      Int    @id
  post_id Int
  body    String
  post    post   @relation(fields: [post_id], references: [id])
}
model entry {
  id   Int    @id @default(autoincrement())
  body String
}
`

/** Prisma is installed for the tests. Here it would be a peer of Drizzle, and so make a second Drizzle. */
const HOME = new URL('../../../test/', import.meta.url)
const require = createRequire(HOME)

/** Generates a client in a folder of its own. Needs no network: nothing runs but what is in the packages. */
export async function generatePrisma(): Promise<Prisma> {
  const folder = await mkdtemp(join(tmpdir(), 'headwater-bench-prisma-'))
  const remove = (): Promise<void> => rm(folder, { recursive: true })
  try {
    await symlink(fileURLToPath(new URL('node_modules', HOME)), join(folder, 'node_modules'), 'dir')
    const schema = join(folder, 'schema.prisma')
    await writeFile(schema, SCHEMA)
    const command = join(dirname(require.resolve('prisma/package.json')), 'build/index.js')
    // Generating needs no schema engine, but the command downloads one unless it is told of one.
    const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath }
    await promisify(execFile)(process.execPath, [command, 'generate', '--schema', schema], { cwd: folder, env })
    const load = async (file: string): Promise<Loaded> => (await import(pathToFileURL(file).href)) as Loaded
    const { PrismaClient } = await load(join(folder, 'generated/client.ts'))
    const { PrismaPg } = await load(require.resolve('@prisma/adapter-pg'))
    const { readReplicas } = await load(require.resolve('@prisma/extension-read-replicas'))
    return {
      open: (servers, name) => openClient({ PrismaClient, PrismaPg, readReplicas }, servers, name),
      [Symbol.asyncDispose]: remove,
    }
  } catch (error) {
    await remove()
    throw error
  }
}

interface Loaded {
  readonly PrismaClient: new (options: { adapter: unknown }) => PrismaClient
  readonly PrismaPg: new (options: object) => unknown
  readonly readReplicas: (options: { replicas: PrismaClient[] }) => unknown
}

function openClient({ PrismaClient, PrismaPg, readReplicas }: Loaded, servers: Servers, name: string): Contender {
  const application = 'contest-prisma'
  const client = (connectionString: string): PrismaClient => {
    const adapter = new PrismaPg({ connectionString, max: CONNECTIONS, application_name: application })
    return new PrismaClient({ adapter })
  }
  const [main, replica] = [client(servers.primary), client(servers.replica)]
  const prisma = main.$extends(readReplicas({ replicas: [replica] }))
  const insert = (db: PrismaClient): Promise<unknown> => db.entry.create({ data: { body: BODY }, select: { id: true } })
  const point = (): Promise<unknown> =>
    prisma.post.findUnique({ where: { id: anyPost() }, select: { id: true, title: true } })
  return {
    name,
    application,
    runs: {
      point,
      join: () =>
        prisma.post.findUnique({
          where: { id: anyPost() },
          select: { id: true, title: true, author: { select: { name: true } }, comment: { select: { body: true } } },
        }),
      insert: () => insert(prisma),
      transaction: () => prisma.$transaction(insert),
      page: () => pageOf(point),
    },
    end: () => Promise.all([main.$disconnect(), replica.$disconnect()]),
  }
}

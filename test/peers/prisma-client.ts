import { execFile } from 'node:child_process'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import type pg from 'pg'

/** What of a generated client is used here. */
export interface PrismaClient {
  readonly server: { findFirst(): Promise<{ who: string } | null> }
  readonly note: {
    create(options: { data: { body: string } }): Promise<{ id: number }>
    findUnique(options: { where: { id: number } }): Promise<object | null>
  }
  readonly writing: { findFirst(): Promise<object | null> }
  $queryRawUnsafe(text: string): Promise<{ who: string }[]>
  $executeRawUnsafe(text: string): Promise<number>
  $transaction<Result>(
    run: (tx: Pick<PrismaClient, 'server' | 'note'>) => Promise<Result>,
    options?: { isolationLevel: 'Serializable' },
  ): Promise<Result>
  $extends(extension: unknown): PrismaClient
  $disconnect(): Promise<void>
}

/** What the packages and the generated code export. */
export interface Prisma {
  readonly PrismaClient: new (options: { adapter: unknown }) => PrismaClient
  readonly PrismaPg: new (options: { connectionString: string } | pg.Pool) => unknown
  readonly readReplicas: (options: { replicas: PrismaClient[] }) => unknown
  /** Removes the generated code; a client loads some of it at its first query. */
  [Symbol.asyncDispose](): Promise<void>
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
model note {
  id   Int    @id @default(autoincrement())
  body String
}
model server {
  who String @id
}
model writing {
  id Int @id
}
`

const require = createRequire(import.meta.url)

/**
 * Generates a client in a folder of its own, and loads it. Needs no network: nothing runs but what is in the packages.
 *
 * @throws {Error} where Prisma is not installed, or its command does not run.
 */
export async function generatePrisma(): Promise<Prisma> {
  const folder = await mkdtemp(join(tmpdir(), 'headwater-prisma-'))
  const remove = () => rm(folder, { recursive: true })
  try {
    await symlink(join(import.meta.dirname, '../node_modules'), join(folder, 'node_modules'), 'dir')
    const schema = join(folder, 'schema.prisma')
    await writeFile(schema, SCHEMA)
    const command = join(dirname(require.resolve('prisma/package.json')), 'build/index.js')
    // Generating needs no schema engine, but the command downloads one unless it is told of one.
    const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath }
    await promisify(execFile)(process.execPath, [command, 'generate', '--schema', schema], { cwd: folder, env })
    const load = async (file: string) => (await import(/* @vite-ignore */ file)) as Prisma
    const { PrismaClient } = await load(pathToFileURL(join(folder, 'generated/client.ts')).href)
    const { PrismaPg } = await load(pathToFileURL(require.resolve('@prisma/adapter-pg')).href)
    const { readReplicas } = await load(pathToFileURL(require.resolve('@prisma/extension-read-replicas')).href)
    return { PrismaClient, PrismaPg, readReplicas, [Symbol.asyncDispose]: remove }
  } catch (error) {
    await remove()
    throw error
  }
}

import type { Contestant } from './contestant.ts'
import { drizzlePeer } from './drizzle-peer.ts'
import { headwater } from './headwater.ts'
import { kyselyPeer } from './kysely-peer.ts'
import { generatePrisma, isPrismaInstalled } from './prisma-client.ts'
import { prismaPeer } from './prisma-peer.ts'

export interface Field {
  /** Ourselves first. */
  readonly contestants: readonly Contestant[]
  /** Who is missing, and why. */
  readonly missing: Readonly<Record<string, string>>
  [Symbol.asyncDispose](): Promise<void>
}

const DRIZZLE_1 = {
  'Drizzle 1.0 (rc.5)':
    'its `withReplicas` chooses nothing: each statement goes to the primary, unless `$replica` stands before it.',
}

const PRISMA = {
  '`@prisma/extension-read-replicas`':
    'it runs where `prisma`, `@prisma/client`, `@prisma/adapter-pg` and the extension are installed; they are no dependencies of this repository.',
}

/** Who takes part here. */
export async function fieldOf(): Promise<Field> {
  const always = [headwater, drizzlePeer, kyselyPeer]
  if (!isPrismaInstalled()) {
    const missing = { ...PRISMA, ...DRIZZLE_1 }
    return { contestants: always, missing, [Symbol.asyncDispose]: async () => undefined }
  }
  const prisma = await generatePrisma()
  return {
    contestants: [...always, prismaPeer(prisma)],
    missing: DRIZZLE_1,
    [Symbol.asyncDispose]: () => prisma[Symbol.asyncDispose](),
  }
}

import type { Contestant } from './contestant.ts'
import { drizzlePeer } from './drizzle-peer.ts'
import { headwater } from './headwater.ts'
import { kyselyPeer } from './kysely-peer.ts'

/** Ourselves first. */
export const CONTESTANTS: readonly Contestant[] = [headwater, drizzlePeer, kyselyPeer]

/** Who is missing, and why. */
export const NOT_RUN: Readonly<Record<string, string>> = {
  '`@prisma/extension-read-replicas`':
    'its client does not exist until `prisma generate` (7.10) has run, which downloads an engine; the tests of this repository download nothing.',
  'Drizzle 1.0 (rc.5)':
    'its `withReplicas` chooses nothing: each statement goes to the primary, unless `$replica` stands before it.',
}

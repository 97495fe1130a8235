import type { Anywhere } from './anywhere.ts'
import { MOMENTS, readsGoOn, survives, VICTIMS } from './checks/deaths.ts'
import { ignoresForgeries } from './checks/forgeries.ts'
import { landsOnce, readsStay, refusesLarge, replaysLate } from './checks/landing.ts'
import { crossesOnce } from './checks/speed.ts'
import type { Finding } from './finding.ts'

/** How much of each check is run. */
export interface Sizes {
  readonly posts: number
  readonly forged: number
  /** Pairs of requests whose times are compared. */
  readonly pairs: number
}

/** For a look, and for the command. CI has its own choice of them. */
export const SHORT: Sizes = { posts: 120, forged: 240, pairs: 5 }
export const WHOLE: Sizes = { posts: 1_000, forged: 11_200, pairs: 41 }

/** Every check, in the order of the table. */
export async function* allFindings(anywhere: Anywhere, { posts, forged, pairs }: Sizes): AsyncGenerator<Finding> {
  yield await landsOnce(anywhere, posts)
  yield await replaysLate(anywhere)
  yield await readsStay(anywhere)
  yield await refusesLarge(anywhere)
  yield* await crossesOnce(anywhere, pairs)
  yield await ignoresForgeries(anywhere, forged)
  yield await readsGoOn(anywhere)
  for (const victim of VICTIMS) for (const moment of MOMENTS) yield await survives(anywhere, victim, moment)
}

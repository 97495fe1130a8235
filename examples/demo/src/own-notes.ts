import type { Journey } from './journey.ts'
import type { RegionCode } from './regions.ts'
import { Visitor } from './visitor.ts'
import { EXTRA_LAG, type World } from './world.ts'

/**
 * How often a case is tried that chance may spoil: the answer to a write may come late enough that nothing is left to wait
 * for, and the replica that is asked first may be the one that moves.
 */
const TRIES = 6

/** What one visitor sees of its own notes, right after writing them. */
export interface OwnNotes {
  /** The replicas next door are a moment late. The last of them, which waited if one did. */
  readonly late: Journey
  /** Whether all reads under a token showed the own note. */
  readonly isAlwaysThere: boolean
  /** One replica next door stands still, the other does not. The last of them, of which it is known that the other answered. */
  readonly other: Journey
  /** No replica next door moves. */
  readonly paused: Journey
  /** The same visitor, the same moment, tokens off. */
  readonly tokenless: Journey
}

/** Writes and reads as one visitor in `region`, whose replicas lag a little, then stand still, and are let go again. */
export async function showOwnNotes(world: World, region: RegionCode, signal: AbortSignal): Promise<OwnNotes> {
  const visitor = new Visitor()
  const write = async (): Promise<void> => {
    const { status } = await world.send('write', region, { visitor })
    signal.throwIfAborted()
    if (status !== 200) throw new Error(`a write from ${region} was answered with ${status ?? 'nothing'}`)
  }
  const read = async (isTokenless: boolean): Promise<Journey> => {
    const journey = await world.send('read', region, { visitor, isTokenless })
    signal.throwIfAborted()
    return journey
  }
  const reads: Journey[] = []
  const writeAndRead = async (): Promise<Journey> => {
    await write()
    const journey = await read(false)
    reads.push(journey)
    return journey
  }
  const until = async (isIt: (journey: Journey) => boolean): Promise<Journey> => {
    for (let rest = TRIES; ; rest -= 1) {
      const journey = await writeAndRead()
      if (rest <= 1 || isIt(journey)) return journey
    }
  }
  await world.setLate(region, true)
  try {
    const late = await until(hasWaited)
    await world.setLate(region, false)
    await world.setPaused(region, 'one')
    const other = await until(isOnSecond)
    await world.setPaused(region, 'all')
    const paused = await writeAndRead()
    const tokenless = await read(true)
    return { late, other, paused, tokenless, isAlwaysThere: reads.every(({ ownNote }) => ownNote === 'shown') }
  } finally {
    await world.setLate(region, false)
    await world.setPaused(region, 'none')
  }
}

/** What has to be true of them, and what was found. */
export function checkOwnNotes(
  { late, other, paused, tokenless, isAlwaysThere }: OwnNotes,
  region: RegionCode,
): readonly { readonly what: string; readonly found: string; readonly holds: boolean }[] {
  return [
    {
      what: `With the replicas in ${region} ${EXTRA_LAG} ms late, a read waits for the own note, and stays next door`,
      found: `${late.ownNote}, ${waitOf(late)}, ${late.crossings} crossings`,
      holds: isAlwaysThere && hasWaited(late) && late.crossings === 0,
    },
    {
      what: 'With one of them paused, the other one answers',
      found: `${other.ownNote}, ${isOnSecond(other) ? 'the second replica' : 'nobody knows which'}, ${other.crossings} crossings`,
      holds: other.ownNote === 'shown' && isOnSecond(other) && other.crossings === 0,
    },
    {
      what: 'With both paused, a read is handed over, and shows the own note',
      found: `${paused.ownNote}, ${paused.reason}, ${paused.crossings} crossing`,
      holds: paused.ownNote === 'shown' && paused.reason === 'behind' && paused.crossings === 1,
    },
    {
      what: 'The same with tokens off is the complaint: “I saved it, and it is not there”',
      found: `${tokenless.ownNote}, ${tokenless.crossings} crossings`,
      holds: tokenless.ownNote === 'missing' && tokenless.crossings === 0,
    },
  ]
}

function hasWaited({ freshness }: Journey): boolean {
  return freshness?.outcome === 'waited'
}

/** The first of two is the one that is paused. */
function isOnSecond({ freshness }: Journey): boolean {
  return freshness?.isOnSecond === true
}

function waitOf({ freshness }: Journey): string {
  return freshness === undefined ? 'no wait' : `${freshness.outcome} ${Math.round(freshness.waitedMs)} ms`
}

import type { Journey } from './journey.ts'
import type { RegionCode } from './regions.ts'
import { Visitor } from './visitor.ts'
import { EXTRA_LAG, type World } from './world.ts'

/** How often the short lag is shown: the answer to a write may come late enough that nothing is left to wait for. */
const TRIES = 4

/** What one visitor sees of its own notes, right after writing them. */
export interface OwnNotes {
  /** The replica next door is a moment late. The last of them, which waited if one did. */
  readonly late: Journey
  /** Whether all of those showed the own note. */
  readonly isAlwaysThere: boolean
  /** The replica next door stands still. */
  readonly paused: Journey
  /** The same visitor, the same moment, tokens off. */
  readonly tokenless: Journey
}

/** Writes and reads as one visitor in `region`, whose replica lags a little, then stands still, and is let go again. */
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
  const late: Journey[] = []
  await world.setLate(region, true)
  try {
    while (late.length < TRIES && late.at(-1)?.freshness?.outcome !== 'waited') {
      await write()
      late.push(await read(false))
    }
  } finally {
    await world.setLate(region, false)
  }
  const [lastLate] = late.slice(-1)
  if (lastLate === undefined) throw new RangeError('tried 0 times; expected at least 1')
  await world.setPaused(region, true)
  try {
    await write()
    const paused = await read(false)
    const tokenless = await read(true)
    return { late: lastLate, isAlwaysThere: late.every(({ ownNote }) => ownNote === 'shown'), paused, tokenless }
  } finally {
    await world.setPaused(region, false)
  }
}

/** What has to be true of them, and what was found. */
export function checkOwnNotes(
  { late, isAlwaysThere, paused, tokenless }: OwnNotes,
  region: RegionCode,
): readonly { readonly what: string; readonly found: string; readonly holds: boolean }[] {
  return [
    {
      what: `With the replica in ${region} ${EXTRA_LAG} ms late, a read waits for the own note, and stays next door`,
      found: `${late.ownNote}, ${waitOf(late)}, ${late.crossings} crossings`,
      holds: isAlwaysThere && late.freshness?.outcome === 'waited' && late.crossings === 0,
    },
    {
      what: 'With that replica paused, a read is handed over, and shows the own note',
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

function waitOf({ freshness }: Journey): string {
  return freshness === undefined ? 'no wait' : `${freshness.outcome} ${Math.round(freshness.waitedMs)} ms`
}

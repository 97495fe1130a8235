import { once } from 'node:events'
import { type Flags, readFlags, USAGE } from './flags.ts'
import type { Journey } from './journey.ts'
import { PageServer } from './page-server.ts'
import { Stage } from './stage.ts'
import { runTour, type TourResult } from './tour.ts'
import { coloured, introduce, type Paint, plain, reportTour } from './tour-report.ts'
import { World } from './world.ts'

async function main(argv: readonly string[]): Promise<number> {
  let flags: Flags
  try {
    flags = readFlags(argv)
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`)
    return 2
  }
  if (flags.wantsHelp) {
    process.stdout.write(USAGE)
    return 0
  }
  const ending = new AbortController()
  const end = (): void => ending.abort(new Ended())
  process.once('SIGINT', end)
  process.once('SIGTERM', end)
  const paint = process.stdout.isTTY && process.env['NO_COLOR'] === undefined ? coloured : plain
  try {
    return await show(flags, paint, ending.signal)
  } catch (error) {
    if (ending.signal.aborted) return 130
    throw error
  } finally {
    process.removeListener('SIGINT', end)
    process.removeListener('SIGTERM', end)
  }
}

async function show(flags: Flags, paint: Paint, signal: AbortSignal): Promise<number> {
  await using world = await World.start(signal, flags.via)
  let tour: TourResult | undefined
  if (!flags.isWithoutTour) {
    process.stdout.write(`${introduce(world.startedInMs, paint)}\n`)
    tour = await runTour(world, signal)
    process.stdout.write(`${reportTour(tour, paint)}\n`)
  }
  const hasHeld = tour?.checks.every(({ holds }) => holds) ?? true
  if (flags.isOnce) return hasHeld ? 0 : 1
  await using stage = new Stage(world)
  for (const journey of tour === undefined ? [] : memorable(tour)) stage.show(journey)
  await using page = await PageServer.start({ stage, tour, port: flags.port })
  process.stdout.write(`  ${paint('bold', page.url)}  the three regions, live. Ctrl-C ends everything.\n`)
  if (!signal.aborted) await once(signal, 'abort')
  process.stdout.write('\n')
  return hasHeld ? 0 : 1
}

/** What the page's log begins with. */
function memorable({ naive, write, read, own }: TourResult): Journey[] {
  return [naive.journey, write.journey, read.journey, own.tokenless, own.paused, own.other, own.late]
}

/** Somebody pressed Ctrl-C; no fault of anybody's. */
class Ended extends Error {}

process.exitCode = await main(process.argv.slice(2))

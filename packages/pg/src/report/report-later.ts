import { type Finding, runOutside, warnOfAll } from '@headwater/core/internal'
import type { Fleet } from '../fleet/fleet.ts'
import type { Reporter, ReporterOptions } from './reporter.ts'

/** What a report goes by. */
export interface ReportOptions extends ReporterOptions {
  /** What the options alone show. */
  readonly gaps: readonly Finding[]
}

/**
 * Warns of what the options show. The reporter is loaded with the first news of a server: a process that starts reads first.
 * Gives back what ends it.
 */
export function reportLater(fleet: Fleet, { logger, gaps }: ReportOptions): () => Promise<void> {
  warnOfAll(gaps, logger)
  let reporter: Promise<Reporter> | undefined
  const load = async (): Promise<Reporter> => {
    const { Reporter } = await import('./reporter.ts')
    return new Reporter(fleet, { logger })
  }
  // A lone server without a region is a plain pool: there is nothing to say.
  const hasLine = fleet.standing.region !== undefined || fleet.nodes.length > 1
  if (logger !== false && hasLine) {
    fleet.changed = () => {
      reporter ??= runOutside(load)
    }
  }
  return async () => {
    fleet.changed = () => undefined
    await (await reporter)?.end()
  }
}

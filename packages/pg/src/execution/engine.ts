import type { Frame } from '@headwater/core/internal'
import { Fleet } from '../fleet/fleet.ts'
import type { Connected } from '../node/pool-node.ts'
import type { ResolvedOptions } from '../options/options.ts'
import { Reads } from '../reads/reads.ts'
import { reportLater } from '../report/report-later.ts'
import { connectEarly } from './connect-early.ts'
import { Decisions } from './decisions.ts'
import { Execution } from './execution.ts'
import { Outcomes } from './outcomes.ts'
import { Verdicts } from './verdicts.ts'

/** The parts of one pool, put together. */
export class Engine {
  readonly fleet: Fleet
  readonly reads: Reads
  readonly verdicts: Verdicts
  readonly decisions: Decisions
  readonly execution: Execution
  /** Whether a lease finds out the numbers of its transactions (X6). */
  readonly tracksCommits: boolean
  readonly #endReport: () => Promise<void>
  readonly #routing: ResolvedOptions['routing']

  constructor(options: ResolvedOptions) {
    this.#routing = options.routing
    this.tracksCommits = options.trackCommits
    this.fleet = new Fleet(options)
    this.#endReport = reportLater(this.fleet, options)
    this.verdicts = new Verdicts(options.catalog, this.fleet, options.logger)
    this.reads = new Reads(this.fleet, options, this.verdicts.catalog)
    this.decisions = new Decisions(options, this.fleet, this.reads, this.verdicts)
    const outcomes = new Outcomes(this.fleet, this.decisions, this.verdicts)
    this.execution = new Execution(this.fleet, this.reads, this.decisions, outcomes)
  }

  /** See `connectEarly`. */
  connectEarly(frame: Frame | undefined, connected: Connected): void {
    connectEarly(this.fleet, this.#routing, frame, connected)
  }

  /** Ends the background work (watches, the catalog), then the pools. Rejects with an AggregateError of what could not be closed. */
  async end(): Promise<void> {
    await Promise.all([this.verdicts.end(), this.#endReport()])
    await this.fleet.end()
  }
}

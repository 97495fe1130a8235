import type { ClusterNode } from '@headwater/cluster'
import pg from 'pg'
import { REGIONS, type RegionCode } from './regions.ts'

/** How far a replica is behind; `undefined` where it cannot be known. */
export interface Lag {
  readonly milliseconds: number | undefined
  readonly bytes: number | undefined
}

const EVERY = 30
/** A lag of one commit is over before anybody could read it: the worst of this long is what is shown. */
const WINDOW = 1000
const UNKNOWN: Lag = { milliseconds: undefined, bytes: undefined }
/** Positions of the primary that are kept, to look up when it stood where a replica stands now: five minutes. */
const HISTORY = (5 * 60_000) / EVERY

/**
 * Asks every database where it stands, many times a second while somebody watches, on a connection of its own.
 *
 * The lag in time is how long ago the primary first stood past the replica, by one clock: ours. It is right on an idle
 * primary too, where `now() - pg_last_xact_replay_timestamp()` grows for no reason.
 */
export class LagSampler implements AsyncDisposable {
  readonly #nodeOf: (code: RegionCode) => ClusterNode
  /** By address: a switchover may leave the database behind that was asked before. */
  readonly #pools = new Map<string, pg.Pool>()
  readonly #history: { readonly at: number; readonly position: bigint }[] = []
  readonly #lags = new Map<RegionCode, { readonly at: number; readonly lag: Lag }[]>()
  readonly #home: () => RegionCode
  readonly #onSample: () => void
  readonly #isWatched: () => boolean
  #timer: NodeJS.Timeout | undefined
  #isOver = false
  #sampling: Promise<void> = Promise.resolve()

  constructor(
    nodeOf: (code: RegionCode) => ClusterNode,
    home: () => RegionCode,
    isWatched: () => boolean,
    onSample: () => void,
  ) {
    this.#home = home
    this.#isWatched = isWatched
    this.#onSample = onSample
    this.#nodeOf = nodeOf
    this.#next(0)
  }

  lagOf(code: RegionCode): Lag {
    const recent = this.#lags.get(code) ?? []
    const latest = recent.at(-1)?.lag ?? UNKNOWN
    if (latest.milliseconds === undefined) return latest
    return { ...latest, milliseconds: Math.round(Math.max(...recent.map(({ lag }) => lag.milliseconds ?? 0))) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true
    clearTimeout(this.#timer)
    await this.#sampling
    await Promise.all([...this.#pools.values()].map((pool) => pool.end()))
  }

  #next(delay: number): void {
    if (this.#isOver) return
    this.#timer = setTimeout(() => {
      const sampling = this.#isWatched() ? this.#sample() : Promise.resolve()
      this.#sampling = sampling.finally(() => this.#next(EVERY))
    }, delay)
  }

  async #sample(): Promise<void> {
    const at = performance.now()
    const home = this.#home()
    const away = REGIONS.map(({ code }) => code).filter((code) => code !== home)
    const [primary, ...replicas] = await Promise.all([
      this.#ask(home, 'select pg_current_wal_flush_lsn() as position'),
      ...away.map((code) => this.#ask(code, 'select pg_last_wal_replay_lsn() as position')),
    ])
    if (primary !== undefined && primary !== this.#history.at(-1)?.position) {
      this.#history.push({ at, position: primary })
      if (this.#history.length > HISTORY) this.#history.shift()
    }
    for (const [index, code] of away.entries()) {
      const recent = (this.#lags.get(code) ?? []).filter((sample) => sample.at > at - WINDOW)
      this.#lags.set(code, [...recent, { at, lag: this.#lagAt(replicas[index], primary, at) }])
    }
    this.#onSample()
  }

  #lagAt(replica: bigint | undefined, primary: bigint | undefined, now: number): Lag {
    if (replica === undefined || primary === undefined) return UNKNOWN
    const past = this.#history.find(({ position }) => position > replica)
    return {
      milliseconds: past === undefined ? 0 : now - past.at,
      bytes: Number(primary > replica ? primary - replica : 0n),
    }
  }

  #poolFor(code: RegionCode): pg.Pool {
    const { url } = this.#nodeOf(code)
    const known = this.#pools.get(url)
    if (known !== undefined) return known
    const pool = new pg.Pool({ connectionString: url, max: 1, connectionTimeoutMillis: 1000 })
    pool.on('error', () => {})
    this.#pools.set(url, pool)
    return pool
  }

  /** A server that is down gives `undefined`: that is what the page shows. */
  async #ask(code: RegionCode, text: string): Promise<bigint | undefined> {
    try {
      const result = await this.#poolFor(code).query<{ position: string | null }>(text)
      const position = result.rows[0]?.position
      return typeof position === 'string' ? parsePosition(position) : undefined
    } catch {
      return undefined
    }
  }
}

/** `0/3019F58`: two halves of 32 bits. */
function parsePosition(text: string): bigint {
  const [high = '0', low = '0'] = text.split('/')
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`)
}

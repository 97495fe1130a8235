import { DOCTOR_HEADER, runOutside, signAnswer, verifyQuestion } from '@headwater/core/internal'
import { Forwarding } from '../forward/forwarding.ts'
import { signState } from '../replay/replay-state.ts'
import type { ReplayOrder } from '../replay/replay-target.ts'
import type { RequestFacts } from '../request/request-facts.ts'
import { originOf } from '../request/request-origin.ts'
import { isDraining } from './draining.ts'
import { type HealthOptions, type PoolOfHealth, type ResolvedHealth, resolveHealth } from './health-options.ts'
import { ownVersion } from './own-version.ts'

/** A whole answer of a health check. */
export interface HealthAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** The header with which the doctor asks for its request to be replayed. */
const REPLAY_HEADER = 'headwater-doctor-replay'
const PING_MILLIS = 1_000

/** Answers `/health`, `/ready` and the doctor, outside any scope: none of them is replayed by the app, or needs the primary (O4). */
export class HealthChecks {
  readonly #options: ResolvedHealth

  /** @throws {OptionsInvalid} when an option is wrong. */
  constructor(options: HealthOptions) {
    this.#options = resolveHealth(options)
  }

  /** Whether this request is one of ours. Reads its path and method, nothing else. */
  isFor({ method, url, header }: RequestFacts): boolean {
    if (method !== 'GET' && method !== 'HEAD') return false
    const [path] = url.split('?', 1)
    const { healthPath, readyPath, statusPath } = this.#options
    if (path === healthPath || path === readyPath) return true
    return statusPath !== undefined && path === statusPath && header(DOCTOR_HEADER) !== undefined
  }

  /** Answers a request for which `isFor()` holds. Never rejects. */
  answer(request: RequestFacts): Promise<HealthAnswer> {
    return runOutside(() => this.#answer(request))
  }

  async #answer(request: RequestFacts): Promise<HealthAnswer> {
    const [path] = request.url.split('?', 1)
    const { pool, healthPath, readyPath } = this.#options
    if (path === healthPath) return asJson(200, { status: 'up' })
    if (path !== readyPath) return this.#tellDoctor(request)
    if (isDraining(pool)) return asJson(503, { status: 'draining' })
    const { region, primaryRegion, isAtHome, hasReplica } = pool.topology
    const isReady = await canRead(pool)
    return asJson(isReady ? 200 : 503, {
      status: isReady ? 'ready' : 'down',
      region,
      primaryRegion,
      isAtHome,
      hasReplica,
      hasPrimary: pool.status?.().hasPrimary,
    })
  }

  async #tellDoctor(request: RequestFacts): Promise<HealthAnswer> {
    const { pool, secrets, replayTarget } = this.#options
    const question = request.header(DOCTOR_HEADER) ?? ''
    if (verifyQuestion(secrets, question, Date.now()) !== true) return asJson(401, { time: Date.now() })
    const { region, primaryRegion, isAtHome } = pool.topology
    const arrival = replayTarget.arrival(request.header)
    const isReplayed = arrival.state !== undefined
    const isWanted =
      request.header(REPLAY_HEADER) !== undefined && !isAtHome && !isReplayed && arrival.hasFailed !== true
    const replay = isWanted && primaryRegion !== undefined ? await this.#replay(request, primaryRegion) : undefined
    if (replay !== undefined && replay !== 'failed') return replay
    const said = {
      region,
      primaryRegion,
      isAtHome,
      isReplayed,
      hasReplayFailed: arrival.hasFailed || replay === 'failed',
      isBehindProxy: arrival.isBehindProxy,
      isDraining: isDraining(pool),
      time: Date.now(),
      versions: { node: process.versions.node, '@headwater/http': ownVersion() },
      pool: pool.status?.(),
    }
    const answer = asJson(200, said)
    return { ...answer, headers: { ...answer.headers, [DOCTOR_HEADER]: signAnswer(secrets, question, answer.body) } }
  }

  /** Has the doctor's request replayed as any other. */
  async #replay(request: RequestFacts, region: string): Promise<HealthAnswer | 'failed'> {
    const { secrets, replayTarget } = this.#options
    const { method, url, header } = request
    const order: ReplayOrder = {
      region,
      regions: [region],
      state: signState(secrets, request, 'doctor', Date.now()),
      reason: 'ensure-primary',
      request: { method, url, ...originOf(request) },
    }
    if (replayTarget.connect === undefined) {
      const answer = replayTarget.answer(order)
      if (answer === undefined) return 'failed'
      const { status, headers } = answer
      return { status, headers: { 'cache-control': 'no-store', ...headers }, body: '' }
    }
    const rawHeaders = [DOCTOR_HEADER, REPLAY_HEADER, 'host'].flatMap((name) => [name, header(name) ?? ''])
    const forwarded = { rawHeaders, body: undefined, peer: undefined }
    // What the doctor tries says nothing to the app's own requests.
    const forwarding = new Forwarding(replayTarget, order, forwarded, () => () => undefined)
    const answer = await forwarding.answer()
    if (answer === 'unreached' || answer === 'broken') return 'failed'
    const { status, headers } = answer
    return new Response(answer.body).text().then(
      (body) => ({ status, headers, body }),
      () => 'failed',
    )
  }
}

/** Whether this process can read: from a server, or by a replay to the primary's region. */
async function canRead(pool: PoolOfHealth): Promise<boolean> {
  const known = pool.status?.().servers
  if (known === undefined) return true
  if (known.some(({ verdict }) => verdict === 'up' || verdict === 'suspect')) return true
  // Nobody has asked it yet, or it was down and may be back: one read finds out, where reads go.
  return isAnswered(pool)
}

async function isAnswered(pool: PoolOfHealth): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), PING_MILLIS)
  })
  try {
    const asked = Promise.resolve(pool.query?.('select 1')).then(
      () => true,
      () => false,
    )
    return await Promise.race([asked, tooLate])
  } finally {
    clearTimeout(timer)
  }
}

function asJson(status: number, said: object): HealthAnswer {
  const body = `${JSON.stringify(said)}\n`
  return { status, headers: { 'content-type': 'application/json', 'cache-control': 'no-store' }, body }
}

import { randomBytes } from 'node:crypto'
import { DOCTOR_HEADER, parseSecrets, signQuestion, verifyAnswer } from '@headwater/core/internal'
import type { Check } from './check.ts'
import { inWords } from './examine-server.ts'

/** What the status route of another instance says: see `health()` of `@headwater/http`. */
export interface RemoteStatus {
  readonly region?: string
  readonly primaryRegion?: string
  readonly isAtHome: boolean
  readonly isReplayed: boolean
  readonly hasReplayFailed?: boolean
  readonly time: number
  readonly versions: Readonly<Record<string, string>>
  readonly pool?: { readonly cluster?: string; readonly timeline?: number; readonly hasPrimary?: boolean }
}

/** A signed answer. */
export interface Asked {
  readonly status: RemoteStatus
  readonly tookMillis: number
  /** When it came, by the wall clock of this machine. */
  readonly heardAt: number
  /** Whether the client was sent elsewhere on the way. */
  readonly isRedirected: boolean
}

/** What is wrong, without whom it is about. */
export type Told = Omit<Check, 'about'>

/** What another instance said of itself, and of one request that it had replayed; `undefined`: it had no reason to. */
export interface RemoteAnswers {
  readonly first: Asked | Told
  readonly replayed: Asked | Told | undefined
}

const QUESTION_GOOD_FOR_MILLIS = 300_000

/** Asks another instance over its signed status route, and has one request replayed where that instance is away. Never rejects. */
export async function askRemote(url: string, secret: string, signal: AbortSignal): Promise<RemoteAnswers> {
  const first = await ask(url, secret, undefined, signal)
  if ('level' in first || first.status.isAtHome || first.status.primaryRegion === undefined) {
    return { first, replayed: undefined }
  }
  return { first, replayed: await ask(url, secret, first.status.primaryRegion, signal) }
}

/** `replayTo`: the region that the request is to be replayed to. */
async function ask(
  url: string,
  secret: string,
  replayTo: string | undefined,
  signal: AbortSignal,
): Promise<Asked | Told> {
  const question = signQuestion(secret, Date.now(), randomBytes(16).toString('base64url'))
  const target = new URL(url)
  if (target.pathname === '/') target.pathname = '/headwater/status'
  const headers = { [DOCTOR_HEADER]: question, ...(replayTo !== undefined && { 'headwater-doctor-replay': '1' }) }
  const sentAt = performance.now()
  let response: Response
  let body: string
  try {
    // With replayTarget `redirect` it is the client that goes to the other region.
    response = await fetch(target, { headers, signal, redirect: replayTo === undefined ? 'manual' : 'follow' })
    body = await response.text()
  } catch (error) {
    return unanswered(error, replayTo, signal)
  }
  const tookMillis = performance.now() - sentAt
  if (response.status !== 200) return refused(response, body, replayTo)
  if (!verifyAnswer(parseSecrets(secret), question, body, response.headers.get(DOCTOR_HEADER) ?? '')) {
    return {
      level: 'bad',
      says: 'gives an answer that is not signed with this secret',
      cure: 'look at who answers that URL',
    }
  }
  const status = JSON.parse(body) as RemoteStatus
  return { status, tookMillis, heardAt: Date.now(), isRedirected: response.redirected }
}

function unanswered(error: unknown, replayTo: string | undefined, signal: AbortSignal): Told {
  if (replayTo !== undefined && signal.aborted) {
    return {
      level: 'bad',
      says: `a replay to ${replayTo} was not answered in time: the proxy finds no instance there`,
      cure: 'set PRIMARY_REGION to a region where an instance of this app runs, beside the primary',
    }
  }
  const message = signal.aborted ? 'no answer in time' : inWords(Reflect.get(Object(error), 'cause') ?? error).message
  return { level: 'bad', says: `cannot be reached: ${message}`, cure: 'give --remote the URL of a running instance' }
}

function refused(response: Response, body: string, replayTo: string | undefined): Told {
  const { status, headers } = response
  if (status === 401) return refusedQuestion(body)
  if (status === 409 && headers.has('fly-replay')) {
    return {
      level: 'bad',
      says: 'answers with a replay, and no proxy acts on it: clients see a raw 409',
      cure: 'give --remote the public URL, behind the proxy; for a proxy that is not Fly’s, set replayTarget, in headwater() and in health()',
    }
  }
  if (status >= 300 && status < 400) {
    const to = headers.get('location') ?? ''
    return {
      level: 'bad',
      says: `answers ${status}, a redirect`,
      cure: URL.canParse(to) ? `give --remote ${new URL(to).origin}` : 'give --remote the URL that it leads to',
    }
  }
  if (replayTo !== undefined && status >= 500) {
    return {
      level: 'bad',
      says: `a replay to ${replayTo} ended with ${status}`,
      cure: 'set PRIMARY_REGION to a region where an instance of this app runs, beside the primary, and look at the proxy’s log',
    }
  }
  return {
    level: 'bad',
    says: `answers ${status} where its status should be`,
    cure: 'use health({ pool }) in the app, before headwater(), with HEADWATER_SECRET set',
  }
}

/** The instance says what time it is there: that tells the two reasons apart. */
function refusedQuestion(body: string): Told {
  const apart = timeIn(body) - Date.now()
  if (Math.abs(apart) > QUESTION_GOOD_FOR_MILLIS) {
    return {
      level: 'bad',
      says: `its clock is ${Math.round(Math.abs(apart) / 1000)} s ${apart > 0 ? 'ahead of' : 'behind'} this machine's: nothing that one signs counts for the other`,
      cure: 'set both clocks by NTP',
    }
  }
  return {
    level: 'bad',
    says: 'does not take this secret: HEADWATER_SECRET differs there',
    cure: 'set HEADWATER_SECRET to the same value in every instance',
  }
}

function timeIn(body: string): number {
  try {
    return Number(Reflect.get(Object(JSON.parse(body)), 'time'))
  } catch {
    return Number.NaN
  }
}

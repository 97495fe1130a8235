import { withHeaders } from '../http/headers.ts'
import type { RequestBody } from '../http/request-body.ts'
import type { ReplayInstruction } from '../replay/instruction.ts'
import { InvalidReplayError } from '../replay/invalid-replay-error.ts'
import { firstTarget } from '../routing/steering.ts'
import { fallbackStep, replayStep, type Step, summaryOf, targetOf } from '../routing/step.ts'
import type { Machine } from '../world/machine.ts'
import { type CacheSubject, forgetReplay, recallReplay, rememberReplay } from '../world/replay-memory.ts'
import type { World } from '../world/world.ts'
import { discard, headersOf, readInstruction } from './answer.ts'
import type { Answered, Unreachable } from './dispatch.ts'
import { GiveUp } from './give-up.ts'
import type { RequestRecord } from './request-record.ts'
import type { Answer } from './upstream.ts'

/** One request, as far as the choice of its next machine goes. */
export interface Traveller {
  /** The app that the client asked for. */
  readonly app: string
  /** The client's request, as its first machine gets it. */
  readonly original: CacheSubject
  readonly body: RequestBody
  readonly record: RequestRecord
}

/** Decides each next step of one request: its first machine, the target of a replay, the way back. */
export class Itinerary {
  /** Cookies of replay answers that the client gets with the final answer (`keepSetCookie`). */
  readonly keptCookies: [string, string][] = []
  readonly #world: World
  readonly #traveller: Traveller

  constructor(world: World, traveller: Traveller) {
    this.#world = world
    this.#traveller = traveller
  }

  /** The step that a new request begins with. */
  first(): Step {
    const { app, original } = this.#traveller
    const { path, headers } = original
    const first: Step = { target: firstTarget(app, headers), purpose: 'first', path, headers }
    if (this.#world.isWithoutProxy) return { ...first, target: { app } }
    const cached = recallReplay(this.#world, original)
    if (cached === undefined || cached === 'bypass') return first
    return {
      target: cached,
      purpose: 'cached',
      path,
      headers: withHeaders(headers, [['fly-replay-cache-status', 'hit']]),
    }
  }

  /** The step after no machine was reached: back to the sender, if it asked for that. Throws GiveUp otherwise. */
  detour(step: Step, failure: Unreachable): Step {
    const { sender, target } = step
    if (step.purpose === 'cached') {
      // The cache is an optimisation: what it remembers may be gone.
      forgetReplay(this.#world, this.#traveller.original)
      return this.first()
    }
    const status = failure.isFull ? this.#world.settings.hardLimitStatus : undefined
    if (sender === undefined || step.purpose === 'fallback') {
      throw new GiveUp(failure.code, target.app, failure.message, status)
    }
    const { machine, instruction } = sender
    const { record } = this.#traveller
    if (instruction.fallback !== undefined) {
      const askedAt = record.hops.findLast(({ replay }) => replay !== undefined)?.endedMillis ?? 0
      return fallbackStep(target, sender, failure.reason, record.elapsedMillis() - askedAt)
    }
    if (this.#world.apps.has(target.app)) throw new GiveUp(failure.code, machine.app, failure.message, status)
    throw new GiveUp(
      'PA04',
      machine.app,
      `app ${machine.app} tried to fly-replay to app ${target.app}, which we cannot find`,
    )
  }

  /** The step that an answer asks for by its replay instruction. Throws GiveUp when the instruction cannot be obeyed. */
  async replay(step: Step, answered: Answered, form: 'header' | 'json', signal: AbortSignal): Promise<Step> {
    const { machine, answer, hop } = answered
    const { settings } = this.#world
    const { original, body, record } = this.#traveller
    const instruction = await this.#read(answer, form, machine)
    hop.replay = summaryOf(instruction)
    if (settings.keepSetCookie) this.#keepCookies(answer)
    if (step.purpose === 'fallback' && settings.fallbackReplay === 'error') {
      throw new GiveUp('PA03', machine.app, 'a request that came back by fallback must not be replayed again')
    }
    if (record.replays >= settings.maxReplays) {
      throw new GiveUp('PA02', machine.app, `a request cannot be replayed more than ${settings.maxReplays} times`)
    }
    // The rest of the body may still be on its way, and with it the answer to whether it fits.
    await body.settled()
    discard(answer)
    signal.throwIfAborted()
    if (!body.isReplayable) {
      throw new GiveUp(
        'PA01',
        machine.app,
        `the request body is over ${settings.bufferLimit} bytes and cannot be replayed`,
      )
    }
    const target = targetOf(instruction, machine)
    this.#checkNetwork(machine.app, target.app)
    const problem = rememberReplay(this.#world, original, machine, instruction, target, record.replays === 0)
    if (problem !== undefined) {
      const isRule = instruction.cache === undefined
      if ((isRule ? settings.sessionCacheUnfit : settings.invalidCache) === 'reject')
        throw new GiveUp('PA03', machine.app, problem)
      record.log(machine.app, problem)
    }
    record.replays += 1
    return replayStep({
      ...{ original, target, step, machine, instruction },
      cacheStatus: recallReplay(this.#world, original) === 'bypass' ? 'bypass' : 'miss',
      isFirstSourceKept: settings.replaySrc === 'keep-first',
      nowMillis: Date.now(),
    })
  }

  async #read(answer: Answer, form: 'header' | 'json', machine: Machine): Promise<ReplayInstruction> {
    try {
      return await readInstruction(answer, form, this.#world.settings)
    } catch (error) {
      if (!(error instanceof InvalidReplayError)) throw error
      throw new GiveUp('PA03', machine.app, `invalid fly-replay: ${error.message}`)
    }
  }

  #keepCookies(answer: Answer): void {
    for (const [name, value] of headersOf(answer)) {
      if (name.toLowerCase() === 'set-cookie') this.keptCookies.push([name, value])
    }
  }

  #checkNetwork(from: string, to: string): void {
    const [sender, receiver] = [this.#world.apps.get(from), this.#world.apps.get(to)]
    if (from === to || receiver === undefined) return
    const { organizations } = this.#world.settings
    const [source = 'default', target = 'default'] = [sender?.organization, receiver.organization]
    // One organisation's switch for its networks, and its list of other organisations: neither does the other's work.
    const isSame = source === target
    const isOneNetwork = (sender?.network ?? 'default') === (receiver.network ?? 'default')
    const isAllowed = isSame
      ? isOneNetwork || organizations[target]?.crossNetworkReplays === true
      : organizations[target]?.replaySources?.includes(source) === true
    if (isAllowed) return
    const what = isSame ? 'cross-network replays' : `replays from the organization ${source}`
    throw new GiveUp('PA05', from, `app ${from} tried to fly-replay to app ${to}: ${what} are not allowed`)
  }
}

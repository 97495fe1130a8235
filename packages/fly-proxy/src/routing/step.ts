import { type HeaderList, headerOf, withHeaders, withoutHeaders } from '../http/headers.ts'
import { formatReplayFields } from '../replay/fields.ts'
import type { ReplayInstruction } from '../replay/instruction.ts'
import type { Hop } from '../report/events.ts'
import { replaySource } from './forwarded-headers.ts'
import type { Target } from './target.ts'

/** The machine that asked for a replay, as other machines are told. */
export interface Sender {
  readonly id: string
  readonly app: string
  readonly region: string
}

/** One step of a request: where it should go, and what is sent there. */
export interface Step {
  readonly target: Target
  readonly purpose: Hop['purpose']
  readonly path: string
  readonly headers: HeaderList
  readonly timeoutMillis?: number | undefined
  /** The machine that asked for this step, the step that had brought the request to it, and what it asked for. */
  readonly sender?: { readonly machine: Sender; readonly step: Step; readonly instruction: ReplayInstruction }
}

/** The target that an instruction names. Without an app it is the sender's own. */
export function targetOf(instruction: ReplayInstruction, sender: Sender): Target {
  const { app, instance, preferInstance, regions, isElsewhere } = instruction
  return {
    app: app ?? sender.app,
    ...(instance !== undefined && { instance }),
    ...(preferInstance !== undefined && { preferInstance }),
    ...(regions && { regions }),
    ...(isElsewhere && { exceptInstance: sender.id }),
  }
}

export interface ReplayFacts {
  /** The client's request, as its first machine got it. */
  readonly original: { readonly path: string; readonly headers: HeaderList }
  readonly target: Target
  /** The step that was answered with the instruction. */
  readonly step: Step
  readonly machine: Sender
  readonly instruction: ReplayInstruction
  readonly cacheStatus: 'miss' | 'bypass'
  readonly isFirstSourceKept: boolean
  readonly nowMillis: number
}

/** The step to the target of a replay: the original request, transformed, plus the headers that mark a replay. */
export function replayStep(facts: ReplayFacts): Step {
  const { original, target, step, machine, instruction, cacheStatus, nowMillis } = facts
  const { transform, state, timeoutMillis } = instruction
  const earlier =
    facts.isFirstSourceKept && step.purpose === 'replay' ? headerOf(step.headers, 'fly-replay-src') : undefined
  const transformed = withHeaders(
    withoutHeaders(original.headers, new Set(transform?.deleteHeaders ?? [])),
    transform?.setHeaders ?? [],
  )
  return {
    target,
    purpose: 'replay',
    path: transform?.path ?? original.path,
    headers: withHeaders(transformed, [
      ['fly-replay-src', earlier ?? replaySource(machine, nowMillis, state)],
      ['fly-replay-cache-status', cacheStatus],
    ]),
    timeoutMillis,
    sender: { machine, step, instruction },
  }
}

/** The step back to the machine whose replay reached no machine: the request as it got it, plus what went wrong. */
export function fallbackStep(
  target: Target,
  sender: NonNullable<Step['sender']>,
  reason: string,
  elapsedMillis: number,
): Step {
  const { machine, instruction, step } = sender
  const instance = instruction.instance ?? instruction.preferInstance
  const report = formatReplayFields([
    ...(instance === undefined ? [] : [['instance', instance] as const]),
    ['app', target.app],
    ...(instruction.regions === undefined ? [] : [['region', instruction.regions.join(',')] as const]),
    ['replay_source', machine.id],
    ['reason', reason],
    ['elapsed_ms', String(Math.round(elapsedMillis))],
  ])
  const self = instruction.fallback === 'force_self' ? { instance: machine.id } : { preferInstance: machine.id }
  return {
    target: { app: machine.app, ...self },
    purpose: 'fallback',
    path: step.path,
    headers: withHeaders(step.headers, [['fly-replay-failed', report]]),
    sender,
  }
}

/** What an event shows of an instruction. It leaves the state out, which may be a secret. */
export function summaryOf(instruction: ReplayInstruction): NonNullable<Hop['replay']> {
  const { app, regions, instance, preferInstance, state, isElsewhere, timeoutMillis, fallback } = instruction
  const wanted = instance ?? preferInstance
  return {
    ...(app !== undefined && { app }),
    ...(regions && { region: regions.join(',') }),
    ...(wanted !== undefined && { instance: wanted }),
    hasState: state !== undefined,
    isElsewhere: isElsewhere === true,
    ...(timeoutMillis !== undefined && { timeoutMillis }),
    ...(fallback && { fallback }),
  }
}

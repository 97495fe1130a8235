import { type Logger, log } from './logger.ts'
import { REQUEST_WARNINGS } from './request-warnings.ts'
import { SERVER_WARNINGS } from './server-warnings.ts'
import { WIRING_WARNINGS } from './wiring-warnings.ts'

type Texts = typeof SERVER_WARNINGS & typeof WIRING_WARNINGS & typeof REQUEST_WARNINGS

/** The code of a `HeadwaterWarning`. */
export type WarningCode = keyof Texts

/** What the text of a warning is made from. */
export type WarningFacts<Code extends WarningCode> = Parameters<Texts[Code]>[0]

/** Every kind of warning: its code, and the text that is made from its facts. docs/warnings.md has an entry for each. */
export const WARNINGS: { readonly [Code in WarningCode]: (facts: WarningFacts<Code>) => string } = {
  ...SERVER_WARNINGS,
  ...WIRING_WARNINGS,
  ...REQUEST_WARNINGS,
}

/** Whom a warning is for. */
export interface WarnOptions {
  /**
   * The server, or whatever else it is about: each is warned of once.
   *
   * @default '' (the warning is said once at all)
   */
  readonly about?: string | undefined
  /**
   * Who is told; `false`: nobody.
   *
   * @default process.emitWarning, with the type HeadwaterWarning and the code
   */
  readonly logger?: Logger | false | undefined
}

/** A warning that was found and not said yet. */
export interface FindingOf<Code extends WarningCode> {
  readonly code: Code
  readonly facts: WarningFacts<Code>
  readonly about?: string | undefined
}

/** A warning of any kind that was found and not said yet. */
export type Finding = { readonly [Code in WarningCode]: FindingOf<Code> }[WarningCode]

/** How many are remembered; no configuration has as many servers. What comes after that is not said. */
const MOST_TOLD = 1_000

/** Who was told what: shared by all loaded copies of this package, as the scopes are. */
interface Told {
  readonly byProcess: Set<string>
  readonly byLogger: WeakMap<object, Set<string>>
}

const TOLD = Symbol.for('headwater.warnings.1')

/**
 * Warns of one kind once for each `about` (O1): the one place where any part of Headwater raises a `HeadwaterWarning`.
 *
 * @example
 * warn('HEADWATER_NO_PROXY', { target: 'fly-replay' })
 * warn('HEADWATER_POOLER_FOUND', { server: node.label }, { about: node.label, logger })
 */
export function warn<Code extends WarningCode>(
  code: Code,
  facts: WarningFacts<Code>,
  { about = '', logger }: WarnOptions = {},
): void {
  if (logger === false) return
  const told = toldTo(logger)
  const key = `${code} ${about}`
  if (told.has(key) || told.size >= MOST_TOLD) return
  told.add(key)
  const text = textOf(code, facts)
  if (logger === undefined) process.emitWarning(text, { type: 'HeadwaterWarning', code })
  else log(logger, 'warn', `headwater: ${code}: ${text}`, about === '' ? { code } : { code, server: about })
}

/** Warns of what was found, each once. */
export function warnOfAll(findings: readonly Finding[], logger: Logger | false | undefined): void {
  for (const finding of findings) warnOf(finding, logger)
}

function warnOf<Code extends WarningCode>(
  { code, facts, about }: FindingOf<Code>,
  logger: WarnOptions['logger'],
): void {
  warn(code, facts, { about, logger })
}

/** The text of a warning, as it is said. */
export function textOf<Code extends WarningCode>(code: Code, facts: WarningFacts<Code>): string {
  return `${WARNINGS[code](facts)} Said once; docs/warnings.md has more.`
}

function toldTo(logger: Logger | undefined): Set<string> {
  const { byProcess, byLogger } = theTold()
  if (logger === undefined) return byProcess
  const told = byLogger.get(logger) ?? new Set()
  byLogger.set(logger, told)
  return told
}

function theTold(): Told {
  const existing = Reflect.get(globalThis, TOLD) as Told | undefined
  if (existing !== undefined) return existing
  const created: Told = { byProcess: new Set(), byLogger: new WeakMap() }
  Object.defineProperty(globalThis, TOLD, { value: created, enumerable: false })
  return created
}

/** Forgets what was said: for tests, which expect to be told again. */
export function forgetWarnings(): void {
  theTold().byProcess.clear()
}

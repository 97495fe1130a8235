import { PlanGuard } from './plan-guard.ts'
import { ReadPace } from './read-pace.ts'

/**
 * Which plan the server may keep for a text.
 *
 * - `custom`: its best plan may depend on the values, so it is planned for them each time.
 * - `generic`: whatever the values, a plan that knows none of them reads a few rows by keys.
 */
export type PlanKind = 'custom' | 'generic'

/** What one server's connections know of a text that came at least once. */
export class TextRecord {
  readonly text: string
  /** Whether the protocol can prepare it, and gives the same answer when it does. */
  readonly isPreparable: boolean
  uses: number = 0
  /** With how many values it was answered; `undefined` before it was. */
  parameters: number | undefined
  /** Whether it is one of many texts that differ in their constants alone: they would fill every place. */
  isOneOfMany: boolean = false
  plan: PlanKind = 'custom'
  /** Until when its plan is known, by a monotonic clock in ms. */
  planKnownUntil: number = Number.NEGATIVE_INFINITY
  readonly guard: PlanGuard = new PlanGuard()
  readonly pace: ReadPace = new ReadPace()
  #name: string | undefined
  #parse: Buffer | undefined

  constructor(text: string) {
    this.text = text
    this.isPreparable = isPreparable(text)
  }

  /** A hash of the text: two connections that share a session by mistake mean the same text by the same name. */
  get name(): string {
    this.#name ??= `hw_${hashOf(this.text)}`
    return this.#name
  }

  /** The messages that prepare it: a statement of that name is closed first, should there be one. */
  get parseMessages(): Buffer {
    this.#parse ??= Buffer.concat([closeMessage(this.name), parseMessage(this.name, this.text)])
    return this.#parse
  }
}

/** The first words of what can be prepared. */
const PREPARABLE =
  /^(?:\s|\(|--[^\n]*\n|\/\*(?:(?!\*\/)[\s\S])*\*\/)*(?:select|insert|update|delete|with|values|merge|table)\b/i

/** How much of a text is looked at for them, in characters. */
const BEGINNING = 1_000

/** What follows a semicolon may be another statement, which a single message cannot hold. */
const FOLLOWED = /;\s*[^\s;]/

function isPreparable(text: string): boolean {
  return PREPARABLE.test(text.slice(0, BEGINNING)) && !FOLLOWED.test(text)
}

/** Close, of a statement: https://www.postgresql.org/docs/current/protocol-message-formats.html */
export function closeMessage(name: string): Buffer {
  return message('C', Buffer.from(`S${name}\0`))
}

/** Parse, without types of parameters: the server finds them out, as for pg. */
function parseMessage(name: string, text: string): Buffer {
  return message('P', Buffer.from(`${name}\0${text}\0\0\0`))
}

function message(code: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.write(code, 'latin1')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

function hashOf(text: string): string {
  return process.getBuiltinModule('node:crypto').createHash('sha256').update(text).digest('base64url').slice(0, 24)
}

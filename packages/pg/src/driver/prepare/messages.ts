import type pg from 'pg'
import { PgQuery } from '../pg-internals.ts'

/** A value as pg sends it: `null`, text, or bytes in the type's binary form. */
export type Sendable = string | Buffer | null | undefined

/** pg's own way to make a value sendable, which it exports nowhere but hands to its connection. `undefined` when it does not. */
export const toSendable: ((value: unknown) => Sendable) | undefined = findMapper()

function findMapper(): ((value: unknown) => Sendable) | undefined {
  let found: unknown
  const connection = {
    parsedStatements: {},
    submittedNamedStatements: {},
    parse: () => undefined,
    bind: (bound: { readonly valueMapper?: unknown }) => {
      found = bound.valueMapper
    },
    describe: () => undefined,
    execute: () => undefined,
    sync: () => undefined,
  }
  try {
    new PgQuery('select $1', [1], () => undefined).prepare(connection as unknown as pg.Connection)
  } catch {
    return undefined
  }
  return typeof found === 'function' ? (found as (value: unknown) => Sendable) : undefined
}

/** Describe, of the unnamed portal. */
const DESCRIBE = Buffer.from([0x44, 0, 0, 0, 6, 0x50, 0])
/** Execute the unnamed portal to its end; Sync. */
const EXECUTE_SYNC = Buffer.from([0x45, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0x53, 0, 0, 0, 4])
const EXECUTE_LENGTH = 10

/** Bind without values, Execute; unnamed. */
const BIND_EXECUTE = Buffer.from('B\0\0\0\f\0\0\0\0\0\0\0\0E\0\0\0\t\0\0\0\0\0', 'latin1')

/** Runs a text of ours that takes no values, unnamed and without a description of its rows: Parse, Bind and Execute. */
export function runMessages(text: string): Buffer {
  const parse = Buffer.from(`P\0\0\0\0\0${text}\0\0\0`)
  parse.writeInt32BE(parse.length - 1, 1)
  return Buffer.concat([parse, BIND_EXECUTE])
}

/** A run of a statement. */
export interface Run {
  /** Messages that go before it. */
  readonly before: Buffer | undefined
  /** The text of a statement without a name, which is prepared with this run. */
  readonly text?: string
  /** The name of a prepared statement. */
  readonly name: Buffer
  readonly values: readonly unknown[]
  readonly map: (value: unknown) => Sendable
  readonly isBinary: boolean
  /** Whether the server is to describe its result. */
  readonly describes: boolean
  /** Messages that go behind it, before the Sync. */
  readonly behind?: Buffer | undefined
}

/** The bytes of a statement shorter than this, in UTF-16 units, are not counted before they are written. */
const SHORT_TEXT = 1_024
/** Texts shorter than this, in UTF-16 units, are written by hand where they are ASCII; a call for each costs more. */
const SHORT = 32

/** The name of a statement that has none. */
export const UNNAMED: Buffer = Buffer.alloc(0)

/**
 * Bind, Execute and Sync in one buffer, for one write; before them Parse, where there is a text.
 *
 * Source: https://www.postgresql.org/docs/current/protocol-message-formats.html. @throws what pg's mapper throws for a value.
 */
export function encodeRun({ before, text, name, values, map, isBinary, describes, behind }: Run): Buffer {
  const count = values.length
  const sendable = new Array<Sendable>(count)
  let hasBytes = false
  let size = (before?.length ?? 0) + name.length + 12 + 4 + DESCRIBE.length + EXECUTE_SYNC.length + 6 * count
  for (let index = 0; index < count; index += 1) {
    const value = map(values[index])
    sendable[index] = value
    if (value === null || value === undefined) continue
    if (typeof value === 'string') size += value.length < SHORT ? value.length * 3 : Buffer.byteLength(value)
    else {
      size += value.length
      hasBytes = true
    }
  }
  if (behind !== undefined) size += behind.length
  if (text !== undefined) size += 9 + (text.length < SHORT_TEXT ? text.length * 3 : Buffer.byteLength(text))
  const out = Buffer.allocUnsafe(size)
  let at = before === undefined ? 0 : before.copy(out, 0)
  if (text !== undefined) at = writeParse(out, at, text)
  const start = at
  out[at] = 0x42
  // The unnamed portal.
  out[at + 5] = 0
  at += 6
  at += name.copy(out, at)
  out[at] = 0
  at += 1
  at = out.writeUInt16BE(hasBytes ? count : 0, at)
  if (hasBytes) for (const value of sendable) at = out.writeUInt16BE(value instanceof Buffer ? 1 : 0, at)
  at = out.writeUInt16BE(count, at)
  for (let index = 0; index < count; index += 1) at = writeValue(out, at, sendable[index])
  at = out.writeUInt16BE(1, at)
  at = out.writeUInt16BE(isBinary ? 1 : 0, at)
  out.writeInt32BE(at - start - 1, start + 1)
  if (describes) at += DESCRIBE.copy(out, at)
  if (behind === undefined) at += EXECUTE_SYNC.copy(out, at)
  else {
    at += EXECUTE_SYNC.copy(out, at, 0, EXECUTE_LENGTH)
    at += behind.copy(out, at)
    at += EXECUTE_SYNC.copy(out, at, EXECUTE_LENGTH)
  }
  return out.subarray(0, at)
}

/** Parse, of a statement without a name or types. */
function writeParse(out: Buffer, at: number, text: string): number {
  out[at] = 0x50
  out[at + 5] = 0
  const end = at + 6 + out.write(text, at + 6, 'utf8')
  out[end] = 0
  out[end + 1] = 0
  out[end + 2] = 0
  out.writeInt32BE(end + 2 - at, at + 1)
  return end + 3
}

function writeValue(out: Buffer, at: number, value: Sendable): number {
  const body = at + 4
  if (value === null || value === undefined) return out.writeInt32BE(-1, at)
  let length: number
  if (typeof value !== 'string') length = value.copy(out, body)
  else if (value.length >= SHORT) length = out.write(value, body, 'utf8')
  else {
    length = writeAscii(out, body, value)
    if (length === -1) length = out.write(value, body, 'utf8')
  }
  out.writeInt32BE(length, at)
  return body + length
}

/** -1 for a text that is not ASCII. */
function writeAscii(out: Buffer, at: number, text: string): number {
  const { length } = text
  for (let index = 0; index < length; index += 1) {
    const unit = text.charCodeAt(index)
    if (unit > 0x7f) return -1
    out[at + index] = unit
  }
  return length
}

import { readFile, writeFile } from 'node:fs/promises'
import { arch, type } from 'node:os'
import { join } from 'node:path'
import { ROOT } from '../packaging/packed-package.ts'
import type { Counts, PostgresMajor, Runtime } from './cells.ts'
import { withTriedOn } from './tried-on.ts'

export const RECORD_FILE: string = join(import.meta.dirname, 'tried-on.json')
export const README: string = join(ROOT, 'README.md')

/** One thing that was tried, and what came of it. */
export interface Tried {
  /** The day, as 2026-11-28. */
  readonly on: string
  readonly version: string
  readonly counts: Counts
}

/** What `pnpm matrix --record` and `pnpm containers --record` saw, the newest of each. */
export interface TriedOn {
  /** `Linux x64`. */
  readonly system: string
  readonly runtimes: Readonly<Partial<Record<Runtime, Tried>>>
  readonly postgres: Readonly<Partial<Record<PostgresMajor, Tried>>>
  /** The provider's tests, by the image that they ran; `version` is the server's. */
  readonly containers: Readonly<Record<string, Tried & { readonly engine: string }>>
  /** Each example whose Dockerfile was built, and whose image was started. */
  readonly examples: Readonly<Record<string, { readonly on: string; readonly engine: string }>>
}

export async function readRecord(): Promise<TriedOn> {
  const empty: TriedOn = { system: systemOf(), runtimes: {}, postgres: {}, containers: {}, examples: {} }
  const text = await readFile(RECORD_FILE, 'utf8').catch(() => undefined)
  return text === undefined ? empty : { ...empty, ...(JSON.parse(text) as TriedOn) }
}

/** Writes what was seen, and the README's lines from it. What was not tried now keeps what was seen before. */
export async function record(seen: Partial<Omit<TriedOn, 'system'>>): Promise<void> {
  const before = await readRecord()
  if (before.system !== systemOf()) throw new Error(`The record is of ${before.system}; this is ${systemOf()}.`)
  const after: TriedOn = {
    system: before.system,
    runtimes: { ...before.runtimes, ...seen.runtimes },
    postgres: { ...before.postgres, ...seen.postgres },
    containers: { ...before.containers, ...seen.containers },
    examples: { ...before.examples, ...seen.examples },
  }
  await writeFile(RECORD_FILE, `${JSON.stringify(after, undefined, 2)}\n`)
  await writeFile(README, withTriedOn(await readFile(README, 'utf8'), after))
}

export function today(): string {
  return new Date().toISOString().slice(0, 10)
}

function systemOf(): string {
  return `${type()} ${arch()}`
}

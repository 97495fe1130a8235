import { readFile, writeFile } from 'node:fs/promises'
import { availableParallelism, loadavg } from 'node:os'
import { join } from 'node:path'
import type { FaultFigures } from './figures.ts'
import { renderFaultList, renderFaultTable } from './render-faults.ts'

/** What was seen of one fault, and when: a record grows slice by slice. */
export interface RecordedRun extends FaultFigures {
  /** The day, as 2026-11-29. */
  readonly on: string
  readonly seed: number
  /** The load average of the last minute of it: on a busy machine the times are longer. */
  readonly load: number
}

/** What `pnpm proof --faults --record` saw last of each fault. */
export interface FaultRecord {
  readonly cores: number
  readonly runs: readonly RecordedRun[]
}

const RECORD_FILE = join(import.meta.dirname, 'record.json')
export const FAULTS_PAGE: string = join(import.meta.dirname, '../../../docs/faults.md')

const START = '<!-- faults: written by pnpm proof --faults --record -->'
const END = '<!-- /faults -->'

export async function readFaultRecord(): Promise<FaultRecord> {
  return JSON.parse(await readFile(RECORD_FILE, 'utf8')) as FaultRecord
}

/** The page with its lines between the marks written anew. */
export function withFaults(page: string, { cores, runs }: FaultRecord): string {
  const start = page.indexOf(START)
  const end = page.indexOf(END)
  if (start === -1 || end < start) throw new Error(`docs/faults.md has no lines between ${START} and ${END}`)
  const [days, seeds] = [each(runs, ({ on }) => on), each(runs, ({ seed }) => String(seed))]
  const load = Math.max(0, ...runs.map((run) => run.load))
  const seen = `Seen on ${days}, seed ${seeds}, ${cores} cores, load average up to ${load}:`
  const lines = [renderFaultList(), '', seen, '', renderFaultTable(runs)].join('\n')
  return `${page.slice(0, start + START.length)}\n\n${lines}\n\n${page.slice(end)}`
}

/** Keeps figures, and writes the page from them. A fault that was not run now keeps what was seen before. */
export async function recordFaults(seen: readonly FaultFigures[], seed: number): Promise<void> {
  const before = await readFaultRecord().catch(() => undefined)
  const isNew = (old: FaultFigures): boolean =>
    !seen.some(({ fault, replication }) => fault === old.fault && replication === old.replication)
  const [on, load] = [new Date().toISOString().slice(0, 10), Math.ceil(loadavg()[0] ?? 0)]
  const runs = [...(before?.runs ?? []).filter(isNew), ...seen.map((figures) => ({ ...figures, on, seed, load }))]
  const record: FaultRecord = { cores: availableParallelism(), runs }
  await writeFile(RECORD_FILE, `${JSON.stringify(record, undefined, 2)}\n`)
  await writeFile(FAULTS_PAGE, withFaults(await readFile(FAULTS_PAGE, 'utf8'), record))
}

function each(runs: readonly RecordedRun[], what: (run: RecordedRun) => string): string {
  return [...new Set(runs.map(what))].sort().join(', ')
}

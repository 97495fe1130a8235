import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname } from 'node:path'

/** A module as text, run by a Node that knows nothing of this repository's sources: it loads what is published. */
export interface FreshScript {
  readonly name: string
  readonly script: string
  readonly argument?: string
}

export interface FreshRun {
  /** From the start of the process to the first thing that it printed, in ms. */
  readonly untilPrinted: number
  readonly printed: string
}

/** The folder whose dependencies the scripts import. */
const FOLDER = dirname(import.meta.dirname)

/** @throws {Error} when it prints nothing, or ends with another code than 0. */
export async function runFresh({ name, script, argument = '' }: FreshScript): Promise<FreshRun> {
  const { NODE_OPTIONS: _, NODE_COMPILE_CACHE: __, ...env } = process.env
  const startedAt = performance.now()
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, argument], {
    cwd: FOLDER,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let untilPrinted = Number.NaN
  let printed = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (printed === '') untilPrinted = performance.now() - startedAt
    printed += text
  })
  // What a pool says of its servers is no answer.
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0 || printed === '')
    throw new Error(`[bench] ${name} ended with ${code} and printed "${printed}"; it said:\n${said}`)
  return { untilPrinted, printed }
}

/**
 * Runs each script once a round, in alternating order, so that a busy machine slows neighbours alike. The first round fills the
 * system's caches and does not count.
 */
export async function runInRounds(
  scripts: readonly FreshScript[],
  rounds: number,
): Promise<ReadonlyMap<string, readonly FreshRun[]>> {
  const runs = new Map<string, FreshRun[]>(scripts.map(({ name }) => [name, []]))
  for (let round = 0; round <= rounds; round += 1) {
    for (const script of round % 2 === 1 ? scripts.toReversed() : scripts) {
      const run = await runFresh(script)
      if (round > 0) runs.get(script.name)?.push(run)
    }
  }
  return runs
}

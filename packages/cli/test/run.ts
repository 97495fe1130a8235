import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'

export const bin: string = new URL('../src/bin.ts', import.meta.url).pathname

export interface Run {
  readonly status: number | null
  readonly output: string
  readonly errors: string
}

/** Runs the bin from its source in a process of its own. */
export async function run(
  args: readonly string[],
  { input = '', environment = {} }: { input?: string; environment?: Readonly<Record<string, string>> } = {},
): Promise<Run> {
  const { FORCE_COLOR: _forced, NO_COLOR: _refused, ...inherited } = process.env
  const child = spawn(process.execPath, ['--conditions=dev-source', bin, ...args], {
    env: { ...inherited, ...environment },
    timeout: 20_000,
  })
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { status: child.exitCode, output, errors }
}

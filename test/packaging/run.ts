import { execFile } from 'node:child_process'
import { basename } from 'node:path'

export interface Outcome {
  readonly code: number
  /** What it wrote, to either stream. */
  readonly output: string
}

/** Runs a program to its end; one that fails is an outcome too. */
export function run(file: string, args: readonly string[], cwd: string): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { cwd, timeout: 120_000, maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error === null) resolve({ code: 0, output: `${stdout}${stderr}` })
      else if (typeof error.code === 'number') resolve({ code: error.code, output: `${stdout}${stderr}` })
      else reject(error)
    })
  })
}

/** Runs a script with the Node that runs this. */
export function runNode(args: readonly string[], cwd: string): Promise<Outcome> {
  return run(process.execPath, args, cwd)
}

/** Runs the pnpm that runs this script; where none does, the one that the README names. */
export function runPnpm(args: readonly string[], cwd: string): Promise<Outcome> {
  const own = process.env['npm_execpath']
  if (own === undefined || !basename(own).startsWith('pnpm')) return run('npx', ['-y', 'pnpm@12', ...args], cwd)
  return /\.[cm]?js$/.test(own) ? runNode([own, ...args], cwd) : run(own, args, cwd)
}

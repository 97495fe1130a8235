import { spawn } from 'node:child_process'
import type { ServerUser } from './server-user.ts'

export interface CommandResult {
  readonly code: number | null
  readonly output: string
}

/**
 * The environment of every process that we start. PGPORT, PGDATA and the like must not leak in, nor a locale that this
 * machine lacks.
 */
export const commandEnvironment: Readonly<Record<string, string>> = Object.freeze({
  PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
  LC_ALL: 'C',
})

/** Runs a program to its end, as the given user, and returns what it printed. Rejects if it cannot start, or when aborted. */
export function runCommand(
  file: string,
  parameters: readonly string[],
  options: { readonly user?: ServerUser; readonly signal?: AbortSignal } = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, parameters, {
      ...options.user?.identity,
      // The other user may not be able to enter the current folder.
      cwd: '/',
      env: commandEnvironment,
      stdio: ['ignore', 'pipe', 'pipe'],
      killSignal: 'SIGKILL',
      ...(options.signal && { signal: options.signal }),
    })
    let output = ''
    const collect = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-16_384)
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    let failure: Error | undefined
    child.on('error', (error) => {
      failure = error
      // A child that never started emits no 'close'.
      if (child.pid === undefined) reject(error)
    })
    // Wait for an aborted child too, so that nobody removes a folder that it still writes to.
    child.on('close', (code) => (failure ? reject(failure) : resolve({ code, output })))
  })
}

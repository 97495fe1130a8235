import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** Says its process id, and ends it when our standard input closes, which is when we end in whatever way. */
const RUN = '"$@" >&2 </dev/null & echo "$!"; cat >/dev/null; kill "$!" 2>/dev/null; wait "$!"'
/** How long a program may take to end by itself. */
const END_MILLIS = 15_000

export interface ProgramOptions {
  readonly user: { readonly uid: number; readonly gid: number } | undefined
  readonly folder: string
  readonly env?: Readonly<Record<string, string>>
}

/** One program of the run, started by us and ended with us. */
export class Program implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #name: string
  #said = ''
  readonly pid: number

  private constructor(name: string, child: ChildProcess, pid: number) {
    this.#name = name
    this.#child = child
    this.pid = pid
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#said = (this.#said + chunk.toString()).slice(-8_192)
    })
  }

  static async start(command: readonly string[], { user, folder, env = {} }: ProgramOptions): Promise<Program> {
    const child = spawn('/bin/sh', ['-c', RUN, 'sh', ...command], {
      ...user,
      cwd: folder,
      // Neither the user's own settings of libpq nor a language that changes messages.
      env: { PATH: process.env['PATH'] ?? '', HOME: folder, LC_ALL: 'C', ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    const [first] = (await once(child.stdout, 'data')) as [Buffer]
    return new Program(command[0] ?? '', child, Number(first.toString()))
  }

  /** What it has printed last. */
  get said(): string {
    return this.#said
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  kill(signal: NodeJS.Signals): void {
    killProcess(this.pid, signal)
  }

  /** Waits until `isReady` holds. */
  async until(isReady: () => Promise<boolean>, patienceMillis = 30_000): Promise<void> {
    await until(`${this.#name} is not ready:\n${this.#said}`, isReady, patienceMillis).catch(() => {
      throw new Error(`${this.#name} was not ready after ${patienceMillis} ms:\n${this.#said}`)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.isRunning) return
    const exited = once(this.#child, 'exit')
    this.#child.stdin?.end()
    const timer = setTimeout(() => killProcess(this.pid, 'SIGKILL'), END_MILLIS)
    await exited
    clearTimeout(timer)
  }
}

export function killProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It is gone already.
  }
}

/** @throws when it does not hold in time, with `what` as the message. */
export async function until(what: string, holds: () => Promise<boolean>, patienceMillis = 30_000): Promise<void> {
  for (const end = performance.now() + patienceMillis; !(await holds().catch(() => false)); await sleep(20)) {
    if (performance.now() > end) throw new Error(what)
  }
}

/** A port of 127.0.0.1 that nobody has. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

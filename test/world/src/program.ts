import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** Says its process id, and ends it when our standard input closes, which is when we end in whatever way. */
const RUN =
  'signals="$1"; shift; "$@" >&2 </dev/null & echo "$!"; cat >/dev/null; for each in $signals; do kill -"$each" "$!" 2>/dev/null; done; wait "$!"'
/** How long a program may take to end by itself. */
const END_MILLIS = 15_000

/** The account that a program runs under; `undefined`: our own. */
export type Account = { readonly uid: number; readonly gid: number } | undefined

/** What {@link Program.start} takes beside the command. */
export interface ProgramOptions {
  readonly user: Account
  /** Where it runs, and its home. */
  readonly folder: string
  readonly env?: Readonly<Record<string, string>>
  /** The signals that end it, in turn. Default: TERM. */
  readonly endedBy?: readonly ('TERM' | 'QUIT' | 'INT')[]
}

/** One program, started by us and ended with us. */
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

  static async start(
    command: readonly string[],
    { user, folder, env = {}, endedBy = ['TERM'] }: ProgramOptions,
  ): Promise<Program> {
    const child = spawn('/bin/sh', ['-c', RUN, 'sh', endedBy.join(' '), ...command], {
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

/** Sends a signal to a process, if it is still there. */
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

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ClusterError } from '../errors/cluster-error.ts'
import { freePort } from '../machine/free-port.ts'
import { descendantsOf, killProcesses } from '../machine/process-tree.ts'
import { commandEnvironment, runCommand } from '../machine/run-command.ts'
import type { ServerUser } from '../machine/server-user.ts'
import type { Server, StopMode } from '../postgres/server.ts'
import { followingFile } from '../postgres/server-settings.ts'
import { copyRunning } from './copy-running.ts'

export interface LocalServerOptions {
  readonly name: string
  /** Holds `data` and `log`. */
  readonly folder: string
  readonly postgres: string
  readonly user: ServerUser
  /** How long a start or a stop may take. */
  readonly timeoutMillis: number
}

const signalOf: Readonly<Record<StopMode, NodeJS.Signals>> = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' }
const portTaken = /could not bind|could not create any TCP\/IP sockets/

/** One postgres process on this machine. */
export class LocalServer implements Server {
  readonly name: string
  readonly host = '127.0.0.1'
  readonly dataFolder: string
  readonly #options: LocalServerOptions
  readonly #logFile: string
  #port = 0
  #child: ChildProcess | undefined

  constructor(options: LocalServerOptions) {
    this.#options = options
    this.name = options.name
    this.dataFolder = join(options.folder, 'data')
    this.#logFile = join(options.folder, 'log')
  }

  get port(): number {
    return this.#port
  }

  get peerAddress(): { readonly host: string; readonly port: number } {
    return { host: this.host, port: this.#port }
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Starts on a free port. If another process takes it first, tries another one, 20 times at most. */
  async startOnFreePort(signal: AbortSignal): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      this.#port = await freePort()
      const isUp = await this.#start(signal)
      if (isUp) return
      if (attempt === 20) throw await this.#failure(`found 20 ports taken by other processes, ${this.#port} the last`)
    }
  }

  /** Starts on its own port, since others know the address. Waits for the port if it is taken. */
  async start(): Promise<void> {
    if (this.isRunning) return
    const signal = AbortSignal.timeout(this.#options.timeoutMillis)
    while (!(await this.#start(signal))) {
      if (signal.aborted)
        throw await this.#failure(`could not get its port ${this.#port} back: another process uses it`)
      await sleep(100)
    }
  }

  async stop(mode: StopMode, timeoutMillis: number = this.#options.timeoutMillis): Promise<void> {
    const child = this.#child
    if (!child || !this.isRunning) return
    const exit = this.#exitOf(child)
    child.kill(signalOf[mode])
    const isOver = await Promise.race([exit.then(() => true), sleep(timeoutMillis, false, { ref: false })])
    if (!isOver) {
      throw new ClusterError(
        'CLUSTER_TIMEOUT',
        `${this.name} did not stop within ${timeoutMillis} ms (mode ${mode}). ` +
          `${mode === 'smart' ? "'smart' waits for every client; close them or use 'fast'." : "Use 'immediate' or kill()."}`,
        { log: await this.log() },
      )
    }
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (child?.pid === undefined || !this.isRunning) return
    const pidFile = join(this.dataFolder, 'postmaster.pid')
    const lines = await readFile(pidFile, 'utf8').then(
      (text) => text.split('\n'),
      () => [],
    )
    const exit = this.#exitOf(child)
    // A frozen parent starts no new children while we look for the existing ones.
    child.kill('SIGSTOP')
    const children = await descendantsOf(child.pid)
    // In this order: a child that outlived the parent would still tell its client why it ends.
    await killProcesses([...children, child.pid])
    await exit
    // A crashed machine would lose these too: the shared memory that guards the data folder, and the pid file.
    const memory = lines[6]?.trim().split(/\s+/)[1]
    if (memory) await runCommand('ipcrm', ['-m', memory]).catch(() => {})
    await rm(pidFile, { force: true })
  }

  async becomeStandbyOf({ host, port, peerAddress, dataFolder }: Server): Promise<void> {
    // The name of the node is in it.
    const configuration = await readFile(join(this.dataFolder, 'postgresql.conf'))
    for (const entry of await readdir(this.dataFolder)) await rm(join(this.dataFolder, entry), { recursive: true })
    await copyRunning({ host, port, dataFolder }, this.dataFolder, this.#options.user)
    await writeFile(join(this.dataFolder, 'postgresql.conf'), configuration)
    await appendFile(join(this.dataFolder, 'postgresql.auto.conf'), followingFile(peerAddress, this.name))
    await writeFile(join(this.dataFolder, 'standby.signal'), '')
  }

  async log(): Promise<string> {
    const text = await readFile(this.#logFile, 'utf8').catch(() => '')
    return text.slice(-65_536)
  }

  /** Returns false if the port is taken. */
  async #start(signal: AbortSignal): Promise<boolean> {
    const log = await open(this.#logFile, 'a')
    let child: ChildProcess
    let start: number
    try {
      start = (await log.stat()).size
      child = spawn(this.#options.postgres, ['-D', this.dataFolder, '-p', String(this.#port)], {
        ...this.#options.user.identity,
        // A session of its own: a Ctrl-C in the terminal must not reach the server.
        detached: true,
        cwd: '/',
        env: commandEnvironment,
        stdio: ['ignore', log.fd, log.fd],
      })
      await once(child, 'spawn')
    } finally {
      await log.close()
    }
    child.on('error', () => {})
    child.unref()
    this.#child = child
    while (!(await this.#isReady(child))) {
      if (!this.isRunning) {
        const said = (await readFile(this.#logFile)).subarray(start).toString()
        if (portTaken.test(said)) return false
        throw await this.#failure('did not start')
      }
      if (signal.aborted) {
        await this.kill()
        throw await this.#failure('was not ready in time, or the start was aborted', signal.reason)
      }
      await sleep(4)
    }
    return true
  }

  /** As pg_ctl does it: line 8 of postmaster.pid tells the state (src/include/utils/pidfile.h). */
  async #isReady(child: ChildProcess): Promise<boolean> {
    const text = await readFile(join(this.dataFolder, 'postmaster.pid'), 'utf8').catch(() => '')
    const lines = text.split('\n')
    return lines[0] === String(child.pid) && lines[7]?.trim() === 'ready'
  }

  async #exitOf(child: ChildProcess): Promise<void> {
    child.ref()
    await once(child, 'exit')
  }

  async #failure(what: string, cause?: unknown): Promise<ClusterError> {
    return new ClusterError('CLUSTER_START_FAILED', `${this.name} ${what}.`, { log: await this.log(), cause })
  }
}

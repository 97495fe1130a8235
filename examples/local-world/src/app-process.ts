import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** How long an app may take to listen, and later to end by itself, in ms. */
const PATIENCE = 10_000

const GUARD = fileURLToPath(new URL('./keep-with-parent.ts', import.meta.url))

export interface AppProcessOptions {
  /** The example's own folder. */
  readonly folder: string
  /** What is run, from that folder: `src/main.ts`. */
  readonly file: string
  /** All that the process sees, besides PATH. */
  readonly environment: Readonly<Record<string, string>>
  /** Hears every line that it prints. */
  readonly onLine: (line: string) => void
}

/** One process of an example: its server, or its migrations. */
export class AppProcess implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  #output = ''

  constructor(options: AppProcessOptions) {
    const { folder, file, environment, onLine } = options
    this.#child = spawn(process.execPath, ['--conditions=dev-source', '--import', GUARD, join(folder, file)], {
      cwd: folder,
      env: { PATH: process.env['PATH'], ...environment },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    this.#ended = once(this.#child, 'close')
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      let rest = ''
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text
        const lines = (rest + text).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) onLine(line)
      })
    }
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** The URL that it says it listens on. Throws, with what it printed, when it ends or takes too long. */
  async listening(): Promise<string> {
    const deadline = AbortSignal.timeout(PATIENCE)
    for (;;) {
      const url = /Listening on (http:\/\/\S+)/.exec(this.#output)?.[1]
      if (url !== undefined) return url
      if (this.#hasEnded || deadline.aborted) throw new Error(`the app does not listen:\n${this.#output}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  /** Its exit code and all that it printed, once it has ended. */
  async finished(): Promise<{ code: number | null; output: string }> {
    await this.#ended
    return { code: this.#child.exitCode, output: this.#output }
  }

  /** Asks it to end, as Fly does; kills it when it does not. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#hasEnded) this.#child.kill('SIGTERM')
    const killing = setTimeout(() => this.#child.kill('SIGKILL'), PATIENCE)
    await this.#ended
    clearTimeout(killing)
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }
}

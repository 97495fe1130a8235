import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))

/** The demo as a process of its own, as `pnpm demo` starts it. */
export class RunningDemo implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  output = ''

  constructor(...flags: string[]) {
    this.#child = spawn(process.execPath, ['--conditions=dev-source', MAIN, ...flags], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#ended = once(this.#child, 'close')
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text
      })
    }
  }

  /** Waits until the output shows `pattern`. Throws when the demo ends without it. */
  async shows(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.output)
      if (match !== null) return match
      if (this.#child.exitCode !== null) throw new Error(`the demo ended without ${pattern}:\n${this.output}`)
      await Promise.race([once(this.#child.stdout ?? this.#child, 'data'), this.#ended])
    }
  }

  /** Its exit code, once it has ended. */
  async exitCode(): Promise<number | null> {
    await this.#ended
    return this.#child.exitCode
  }

  interrupt(): void {
    this.#child.kill('SIGINT')
  }

  /** It and every process that it started and theirs; empty where there is no /proc. */
  processes(): number[] {
    const parents = new Map<number, number>()
    for (const pid of processIds()) {
      const parent = parentOf(pid)
      if (parent !== undefined) parents.set(pid, parent)
    }
    const found = [this.#child.pid ?? 0]
    for (const pid of found) for (const [child, parent] of parents) if (parent === pid) found.push(child)
    return found
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.interrupt()
    await this.#ended
  }
}

export function isAlive(pid: number): boolean {
  return parentOf(pid) !== undefined
}

function processIds(): number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger)
  } catch {
    return []
  }
}

/** `undefined` when there is no such process, or only its exit code is left. */
function parentOf(pid: number): number | undefined {
  try {
    const [, state, parent] = /\) (\S) (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
    return state === 'Z' ? undefined : Number(parent)
  } catch {
    return undefined
  }
}

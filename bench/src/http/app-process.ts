import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** What one app is made of. */
export interface AppSetup {
  readonly framework: 'hono' | 'express' | 'koa'
  /**
   * `headwater`: with `headwater()` over a `RoutedPool`; else the same app over a `pg.Pool` on the replica. `context`: with a middleware
   * that opens an async context and nothing else, which is the least that anything of this kind can cost.
   */
  readonly middleware: 'none' | 'context' | 'headwater'
  readonly region: 'ams' | 'nrt'
  readonly primaryUrl: string
  readonly replicaUrl: string
  readonly secret: string
}

/** What an app has used since its start. */
export interface AppCost {
  readonly cpuMicros: number
  readonly rssBytes: number
}

/** One app in a process of its own, on the processor that this process has when it starts. Ends with this object. */
export class AppProcess implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly port: number

  private constructor(child: ChildProcess, port: number) {
    this.#child = child
    this.port = port
  }

  static async start(setup: AppSetup): Promise<AppProcess> {
    const child = fork(fileURLToPath(new URL('http-app.ts', import.meta.url)))
    child.send(setup)
    const { port } = await answerOf<{ port: number }>(child)
    return new AppProcess(child, port)
  }

  async cost(): Promise<AppCost> {
    const answer = answerOf<AppCost>(this.#child)
    this.#child.send('cost')
    return answer
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.disconnect()
    await exited
  }
}

async function answerOf<Answer>(child: ChildProcess): Promise<Answer> {
  const ended = new AbortController()
  try {
    const answer: unknown[] = await Promise.race([
      once(child, 'message', { signal: ended.signal }),
      once(child, 'exit', { signal: ended.signal }).then(([code]) => {
        throw new Error(`[bench] an app ended with ${String(code)} in the place of an answer`)
      }),
    ])
    return answer[0] as Answer
  } finally {
    ended.abort()
  }
}

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { WayName } from './ways.ts'

export type RegionName = 'ams' | 'nrt' | 'ord'

export interface RegionSettings {
  readonly region: RegionName
  /** The database of the primary, and the replica beside the app; none at home. */
  readonly primary: string
  readonly replica: string | undefined
  /** How it gets to the primary's region, and the port at which it finds the app there. */
  readonly way: WayName
  readonly far: number
  /** Where it listens; 0 is any free port. */
  readonly port: number
}

/** How far the app has come with a request. */
export type Point = 'arrived' | 'behind the COMMIT' | 'in the answer'

export type FromApp = { readonly port: number } | { readonly point: Point; readonly key: string }

/** The app of one region, as a process. It keeps its port when it is started again. */
export class RegionProcess implements AsyncDisposable {
  readonly #settings: Omit<RegionSettings, 'port'>
  readonly #reached = new Set<string>()
  #child: ChildProcess | undefined
  #port = 0

  private constructor(settings: Omit<RegionSettings, 'port'>) {
    this.#settings = settings
  }

  static async start(settings: Omit<RegionSettings, 'port'>): Promise<RegionProcess> {
    const running = new RegionProcess(settings)
    await running.restart()
    return running
  }

  get port(): number {
    return this.#port
  }

  async restart(): Promise<void> {
    const settings: RegionSettings = { ...this.#settings, port: this.#port }
    const child = fork(`${import.meta.dirname}/region-app.ts`, [JSON.stringify(settings)], {
      execArgv: ['--conditions=dev-source'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.#child = child
    this.#port = await new Promise<number>((resolve, reject) => {
      child.on('message', (message: FromApp) => {
        if ('port' in message) resolve(message.port)
        else this.#reached.add(`${message.point} ${message.key}`)
      })
      child.once('exit', (code) => reject(new Error(`the app in ${settings.region} ended with ${code}`)))
    })
  }

  /** SIGKILL: nothing of it gets to say goodbye. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  /** Waits until the app has come that far with all of these requests, `mostMillis` at most. Returns whether it has. */
  async hasReached(point: Point, keys: readonly string[], mostMillis: number): Promise<boolean> {
    const isThere = (): boolean => keys.every((key) => this.#reached.has(`${point} ${key}`))
    for (const end = performance.now() + mostMillis; performance.now() < end && !isThere(); ) await sleep(5)
    return isThere()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }
}

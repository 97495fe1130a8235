import { rm } from 'node:fs/promises'
import { type Account, freePort, Program } from './program.ts'
import { makeProgramFolder } from './program-folder.ts'

/** A server that a front leads to, on 127.0.0.1, without a password. */
export interface FrontServer {
  readonly name: string
  readonly port: number
  readonly dataFolder: string
}

/** How one kind of front is run. */
export interface FrontKind {
  readonly name: string
  /** Writes its configuration into `folder`, and gives its command. */
  configure(folder: string, port: number): Promise<readonly string[]>
  /** The signal that ends it without waiting for its clients. */
  readonly endedBy: 'TERM' | 'INT'
  /** Whether what listens at the URL is of use. */
  isReady(url: string): Promise<boolean>
}

/** A real proxy in front of servers; see `startHaproxy` and `startPgpool`. */
export class Front implements AsyncDisposable {
  readonly url: string
  readonly #folder: string
  readonly #program: Program

  private constructor(url: string, folder: string, program: Program) {
    this.url = url
    this.#folder = folder
    this.#program = program
  }

  static async start(kind: FrontKind, user: Account): Promise<Front> {
    const folder = await makeProgramFolder(kind.name, user)
    const port = await freePort()
    const url = `postgres://postgres@127.0.0.1:${port}/postgres`
    let program: Program | undefined
    try {
      program = await Program.start(await kind.configure(folder, port), { user, folder, endedBy: [kind.endedBy] })
      await program.until(() => kind.isReady(url))
      return new Front(url, folder, program)
    } catch (error) {
      await program?.[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
      throw error
    }
  }

  /** What it has printed last. */
  get said(): string {
    return this.#program.said
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]()
    await rm(this.#folder, { recursive: true, force: true })
  }
}

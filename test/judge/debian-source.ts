import { execFile } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { CorpusUnavailable } from './corpus.ts'

const run = promisify(execFile)

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
const LIMIT = 120_000

/**
 * The unpacked source of Debian's package `name`, kept in `cacheFolder`. apt gets lists and folders of its own, so the
 * system's stay as they are. Signatures are checked as apt always does. `release` is this system's own by default.
 * @throws CorpusUnavailable without apt, tar or a network
 */
export async function debianSource(
  name: string,
  cacheFolder: string,
  paths: readonly string[],
  signal: AbortSignal,
  release?: string,
): Promise<string> {
  const folder = join(cacheFolder, `source-${name}`)
  const done = join(folder, '.unpacked')
  if (!existsSync(done)) {
    await attempt(`the source of ${name}`, async () => {
      await apt(folder, 'deb-src', ['source', '--download-only', name], signal, release)
      const archive = (await readdir(folder)).find((file) => /\.orig\.tar\.\w+$/.test(file))
      if (archive === undefined) throw new Error('apt brought no .orig.tar')
      const wanted = paths.map((path) => `*/${path}/*`)
      await run('tar', ['-xf', archive, '--no-same-owner', '--wildcards', ...wanted], {
        cwd: folder,
        timeout: LIMIT,
        signal,
      })
      await writeFile(done, '')
    })
  }
  const unpacked = (await readdir(folder, { withFileTypes: true })).find(
    (entry) => entry.isDirectory() && /-\d/.test(entry.name),
  )
  if (unpacked === undefined) throw new CorpusUnavailable(`the source of ${name} was not unpacked`)
  return join(folder, unpacked.name)
}

/** Debian's binary packages, unpacked side by side in `cacheFolder` and not installed. Returns the root of their tree. */
export async function debianPackages(
  names: readonly string[],
  cacheFolder: string,
  signal: AbortSignal,
): Promise<string> {
  const folder = join(cacheFolder, `packages-${names[0] ?? ''}`)
  const root = join(folder, 'root')
  if (!existsSync(join(root, '.unpacked'))) {
    await attempt(`the package ${names.join(', ')}`, async () => {
      await apt(folder, 'deb', ['download', ...names], signal)
      for (const file of await readdir(folder)) {
        if (file.endsWith('.deb')) await run('dpkg', ['-x', file, root], { cwd: folder, timeout: LIMIT, signal })
      }
      await writeFile(join(root, '.unpacked'), '')
    })
  }
  return root
}

/**
 * The programs of Debian's PostgreSQL 15, with the extensions of `packages` beside them and what they link to, unpacked
 * in `cacheFolder` and not installed.
 */
export async function debianServer(
  packages: readonly string[],
  cacheFolder: string,
  signal: AbortSignal,
): Promise<string> {
  const folder = join(cacheFolder, 'server-postgresql-15')
  const root = join(folder, 'root')
  if (!existsSync(join(root, '.unpacked'))) {
    await attempt('PostgreSQL 15 with extensions', async () => {
      await apt(folder, 'deb', ['download', 'postgresql-15', ...packages], signal)
      const linked = ['install', '--download-only', '--no-install-recommends', '--yes', ...packages]
      await apt(folder, 'deb', linked, signal)
      const archives = join(folder, 'cache/archives')
      const files = [folder, archives].flatMap((place) => readdirSync(place).map((file) => join(place, file)))
      for (const file of files.filter((path) => path.endsWith('.deb')))
        await run('dpkg', ['-x', file, root], { cwd: folder, timeout: LIMIT, signal })
      await writeFile(join(root, '.unpacked'), '')
    })
  }
  return root
}

async function apt(
  folder: string,
  kind: 'deb' | 'deb-src',
  command: readonly string[],
  signal: AbortSignal,
  release?: string,
): Promise<void> {
  for (const part of ['lists', 'cache']) await mkdir(join(folder, part), { recursive: true })
  // Postgres reads data files from in here as another user.
  await chmod(folder, 0o755)
  const list = join(folder, 'sources.list')
  await writeFile(list, `${kind} [signed-by=${KEYRING}] ${await mirror(signal, release)}\n`)
  const options = [
    ['Dir::Etc::SourceList', list],
    ['Dir::Etc::SourceParts', '/dev/null'],
    ['Dir::State::Lists', join(folder, 'lists')],
    ['Dir::Cache', join(folder, 'cache')],
    ['APT::Sandbox::User', 'root'],
  ].flatMap(([name, value]) => ['-o', `${name}=${value}`])
  for (const step of [['update'], command])
    await run('apt-get', [...options, '-qq', ...step], { cwd: folder, timeout: LIMIT, signal })
}

/** Where this system gets its own packages from: the suite itself, not its updates. */
async function mirror(signal: AbortSignal, release: string | undefined): Promise<string> {
  const format = '$(REPO_URI) $(RELEASE) $(COMPONENT)'
  const { stdout } = await run('apt-get', ['indextargets', '--format', format], { timeout: LIMIT, signal })
  const found = stdout.split('\n').find((line) => /^\S+\/debian\/? [a-z]+ main$/.test(line))
  if (found === undefined) throw new Error('apt knows no Debian mirror')
  return release === undefined ? found : found.replace(/ [a-z]+ main$/, ` ${release} main`)
}

async function attempt(what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    const reason =
      error instanceof Error
        ? (error.message.split('\n').find((line) => line.startsWith('E:')) ?? error.message)
        : String(error)
    throw new CorpusUnavailable(`${what} is not to be had here: ${reason.split('\n')[0]}`)
  }
}

import { execFileSync } from 'node:child_process'
import { chmodSync, globSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The Debian after the one that CI runs: its PgBouncer keeps named statements by default. */
const SUITE = 'trixie'
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
/** It, and the libraries that it needs newer than an older Debian has them. */
const PACKAGES = [
  'pgbouncer',
  'libc6',
  'libcares2',
  'libevent-2.1-7t64',
  'libssl3t64',
  'libsystemd0',
  'libpam0g',
  'libzstd1',
  'libaudit1',
  'libcap-ng0',
  'libcap2',
  'zlib1g',
  'liblzma5',
  'liblz4-1',
  'libgcrypt20',
  'libgpg-error0',
]

/**
 * Unpacks a newer PgBouncer into `folder`, from where this machine's own packages come, and gives its command. Installs nothing.
 *
 * @throws when this is no Debian, or its packages cannot be had.
 */
export function unpackNewerPgBouncer(folder: string): string {
  const origins = execFileSync('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages'], {
    encoding: 'utf8',
  })
  const origin = origins.split('\n').find((uri) => /\/debian\/?$/.test(uri))
  if (origin === undefined) throw new Error('apt knows no Debian')
  const [root, state, cache] = ['root', 'state', 'cache'].map((name) => join(folder, name)) as [string, string, string]
  for (const made of [root, join(state, 'lists/partial'), join(cache, 'archives/partial')])
    mkdirSync(made, { recursive: true })
  const sources = join(folder, 'sources.list')
  writeFileSync(sources, `deb [signed-by=${KEYRING}] ${origin} ${SUITE} main\n`)
  const own = [
    `Dir::Etc::SourceList=${sources}`,
    'Dir::Etc::SourceParts=/dev/null',
    `Dir::State=${state}`,
    `Dir::Cache=${cache}`,
    'APT::Sandbox::User=root',
  ].flatMap((option) => ['-o', option])
  const apt = (...args: string[]) => execFileSync('apt-get', [...own, '-q', ...args], { cwd: cache, stdio: 'pipe' })
  apt('update')
  apt('download', ...PACKAGES)
  for (const file of globSync('*.deb', { cwd: cache })) execFileSync('dpkg', ['-x', join(cache, file), root])
  const [loader] = globSync('usr/lib/*/ld-linux-*.so.*', { cwd: root })
  if (loader === undefined) throw new Error('the packages have no loader')
  const libraries = join(root, loader, '..')
  const command = join(folder, 'pgbouncer')
  writeFileSync(
    command,
    `#!/bin/sh\nexec '${join(root, loader)}' --library-path '${libraries}' '${join(root, 'usr/sbin/pgbouncer')}' "$@"\n`,
  )
  // The server's account runs it.
  for (const path of [folder, command]) chmodSync(path, 0o755)
  return command
}

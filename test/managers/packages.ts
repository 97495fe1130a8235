import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Account, findProgram } from '@headwater/test-world'

/** What Debian calls them: Patroni with the library for its store, the store, both proxies, and PostgreSQL with pg_rewind. */
export const DEBIAN_PACKAGES = ['patroni', 'python3-etcd', 'etcd-server', 'haproxy', 'pgpool2', 'postgresql'] as const

/** The programs of the run, and the account that runs them. */
export interface Tools {
  readonly patroni: string
  readonly etcd: string
  readonly haproxy: string
  readonly pgpool: string
  /** The folder with PostgreSQL's own programs. */
  readonly postgresBin: string
  /** PostgreSQL refuses root. */
  readonly user: Account
}

/** Finds all that the run needs, or says what is missing. */
export function findTools(): Tools | { readonly missing: string } {
  const [patroni, etcd, haproxy, pgpool] = ['patroni', 'etcd', 'haproxy', 'pgpool'].map(findProgram)
  const postgresBin = newestPostgres()
  const missing = [
    ...(patroni === undefined ? ['patroni'] : []),
    ...(etcd === undefined ? ['etcd'] : []),
    ...(haproxy === undefined ? ['haproxy'] : []),
    ...(pgpool === undefined ? ['pgpool'] : []),
    ...(postgresBin === undefined ? ['a PostgreSQL with pg_rewind below /usr/lib/postgresql'] : []),
  ]
  if (!patroni || !etcd || !haproxy || !pgpool || !postgresBin) {
    return { missing: `${missing.join(', ')} not found; on Debian: apt-get install ${DEBIAN_PACKAGES.join(' ')}` }
  }
  const user = process.getuid?.() === 0 ? accountOf('postgres') : undefined
  if (process.getuid?.() === 0 && user === undefined)
    return { missing: 'there is no account postgres, and PostgreSQL refuses root' }
  return { patroni, etcd, haproxy, pgpool, postgresBin, user }
}

/** Installs Debian's packages; only root can. Their services are not started. */
export function installPackages(): void {
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  for (const step of [['update'], ['install', '--yes', '--no-install-recommends', ...DEBIAN_PACKAGES]]) {
    const { status } = spawnSync('apt-get', step, { stdio: 'inherit', env: environment })
    if (status !== 0) throw new Error(`apt-get ${step[0]} failed, so nothing can be tried. Run it as root, on Debian.`)
  }
}

function newestPostgres(): string | undefined {
  const root = '/usr/lib/postgresql'
  if (!existsSync(root)) return undefined
  const majors = readdirSync(root).filter((major) => existsSync(join(root, major, 'bin', 'pg_rewind')))
  const newest = majors.sort((a, b) => Number(b) - Number(a))[0]
  return newest === undefined ? undefined : join(root, newest, 'bin')
}

function accountOf(name: string): { uid: number; gid: number } | undefined {
  const [uid, gid] = ['-u', '-g'].map((flag) => spawnSync('id', [flag, name], { encoding: 'utf8' }))
  if (uid?.status !== 0 || gid?.status !== 0) return undefined
  return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
}

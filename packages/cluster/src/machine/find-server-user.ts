import { readFile } from 'node:fs/promises'
import { ClusterError } from '../errors/cluster-error.ts'
import { runCommand } from './run-command.ts'
import type { ServerUser } from './server-user.ts'

/**
 * The user that runs the servers: our own. For root, which postgres refuses, it is `postgres` or `nobody`.
 * @throws ClusterError CLUSTER_NO_UNPRIVILEGED_USER, CLUSTER_PLATFORM_UNSUPPORTED
 */
export async function findServerUser(): Promise<ServerUser> {
  const uid = process.getuid?.()
  if (uid === undefined || process.platform === 'win32') {
    throw new ClusterError(
      'CLUSTER_PLATFORM_UNSUPPORTED',
      "Windows cannot run the local providers. Use WSL 2, or Docker with { provider: 'testcontainers' }.",
    )
  }
  if (uid !== 0) return { uid, identity: {} }
  for (const name of ['postgres', 'nobody', '65534']) {
    const found = await lookUp(name)
    if (found && found.uid !== 0) return { uid: found.uid, identity: found }
  }
  throw noUser('this machine has neither a user postgres nor a user nobody')
}

/** The error for a process that could not run as the other user, or for a user without an entry in /etc/passwd. */
export function noUser(reason: string, cause?: unknown): ClusterError {
  return new ClusterError(
    'CLUSTER_NO_UNPRIVILEGED_USER',
    `PostgreSQL refuses to run as root, and no other user can run it: ${reason}. ` +
      'Add one (useradd --system postgres), or run as a normal user that has an entry in /etc/passwd.',
    { cause },
  )
}

async function lookUp(name: string): Promise<{ uid: number; gid: number } | undefined> {
  const line = (await readFile('/etc/passwd', 'utf8').catch(() => ''))
    .split('\n')
    .map((text) => text.split(':'))
    .find((fields) => fields[0] === name || fields[2] === name)
  if (line && isNumber(line[2]) && isNumber(line[3])) return { uid: Number(line[2]), gid: Number(line[3]) }
  // The user may come from a directory service, or from macOS.
  const [uid, gid] = await Promise.all([idOf('-u', name), idOf('-g', name)])
  return uid === undefined || gid === undefined ? undefined : { uid, gid }
}

async function idOf(flag: '-u' | '-g', name: string): Promise<number | undefined> {
  const { code, output } = await runCommand('id', [flag, name])
  // uid_t is unsigned; macOS prints nobody's as -2.
  return code === 0 && /^-?\d+\n$/.test(output) ? Number(output) >>> 0 : undefined
}

function isNumber(text: string | undefined): text is string {
  return text !== undefined && /^\d+$/.test(text)
}

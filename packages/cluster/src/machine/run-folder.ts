import { stat, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, resolve } from 'node:path'
import { ClusterError } from '../errors/cluster-error.ts'
import type { ServerUser } from './server-user.ts'

const memoryFolder = '/dev/shm'
/** Three nodes need 100 MB to start with; what an ordinary test writes must fit as well. */
const memoryNeeded = 4 * 1024 ** 3

/**
 * Where a cluster's own folder goes. Memory where there is plenty: a data folder is a thousand small files, which a
 * busy disk takes ten times as long to make. Docker's default /dev/shm of 64 MB is thus never used.
 */
export async function findRunFolder(wanted: string | undefined, user: ServerUser): Promise<string> {
  if (wanted !== undefined) {
    const folder = resolve(wanted)
    if (await isReachable(folder, user)) return folder
    throw new ClusterError(
      'CLUSTER_OPTIONS_INVALID',
      `folder is ${folder}, which does not exist or which uid ${user.uid} cannot enter.`,
    )
  }
  if (process.platform === 'linux' && (await hasRoom(memoryFolder))) return memoryFolder
  for (const folder of new Set([tmpdir(), '/tmp', '/var/tmp'])) {
    if (await isReachable(folder, user)) return folder
  }
  throw new ClusterError('CLUSTER_START_FAILED', `uid ${user.uid} can enter neither ${tmpdir()} nor /tmp. Set TMPDIR.`)
}

async function hasRoom(folder: string): Promise<boolean> {
  try {
    const [{ bavail, bsize }, { mode }] = await Promise.all([statfs(folder), stat(folder)])
    return bavail * bsize >= memoryNeeded && (mode & 0o1777) === 0o1777
  } catch {
    return false
  }
}

/** The other user must be able to pass every folder on the way: root's TMPDIR may be below /root. */
async function isReachable(folder: string, user: ServerUser): Promise<boolean> {
  for (let path = folder; ; path = dirname(path)) {
    const found = await stat(path).catch(() => undefined)
    if (!found?.isDirectory()) return false
    if (user.identity.uid !== undefined && found.uid !== user.uid && (found.mode & 0o001) === 0) return false
    if (path === dirname(path)) return true
  }
}

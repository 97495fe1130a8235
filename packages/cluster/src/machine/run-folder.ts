import { stat, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, resolve } from 'node:path'
import { ClusterError } from '../errors/cluster-error.ts'
import type { ServerUser } from './server-user.ts'

const memoryFolder = '/dev/shm'
/** Three nodes start with 100 MB; what an ordinary test writes must fit as well. */
const memoryNeeded = 4 * 1024 ** 3

/**
 * Where a cluster's own folder goes. In memory if there is enough: a data folder is a thousand small files, and a busy disk
 * needs ten times as long to write them. Docker's default /dev/shm of 64 MB is never enough.
 */
export async function findRunFolder(wanted: string | undefined, user: ServerUser): Promise<string> {
  if (wanted !== undefined) {
    const folder = resolve(wanted)
    if (await isReachable(folder, user)) return folder
    throw new ClusterError(
      'CLUSTER_OPTIONS_INVALID',
      `folder is ${folder}, which does not exist, or uid ${user.uid} cannot enter it.`,
    )
  }
  if (process.platform === 'linux' && (await hasRoom(memoryFolder))) return memoryFolder
  for (const folder of new Set([tmpdir(), '/tmp', '/var/tmp'])) {
    if (await isReachable(folder, user)) return folder
  }
  throw new ClusterError(
    'CLUSTER_START_FAILED',
    `uid ${user.uid} can enter neither ${tmpdir()} nor /tmp. Set TMPDIR to a folder that it can enter.`,
  )
}

async function hasRoom(folder: string): Promise<boolean> {
  try {
    const [{ bavail, bsize }, { mode }] = await Promise.all([statfs(folder), stat(folder)])
    return bavail * bsize >= memoryNeeded && (mode & 0o1777) === 0o1777
  } catch {
    return false
  }
}

/** Whether the server's user can enter every folder on the way: root's TMPDIR may be below /root. */
async function isReachable(folder: string, user: ServerUser): Promise<boolean> {
  for (let path = folder; ; path = dirname(path)) {
    const found = await stat(path).catch(() => undefined)
    if (!found?.isDirectory()) return false
    if (user.identity.uid !== undefined && found.uid !== user.uid && (found.mode & 0o001) === 0) return false
    if (path === dirname(path)) return true
  }
}

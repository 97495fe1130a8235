import { chmod, lstat, mkdir } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import type { ServerUser } from './server-user.ts'

/**
 * The folder for what outlives a cluster (templates, copies of binaries), or undefined if there is no safe place. For root
 * it is in the temp folder, because the unprivileged user cannot enter /root.
 */
export async function findCacheFolder(user: ServerUser): Promise<string | undefined> {
  const isOther = user.identity.uid !== undefined
  const xdg = process.env['XDG_CACHE_HOME']
  const inHome = xdg && isAbsolute(xdg) ? xdg : join(homedir(), '.cache')
  const candidates = [...(isOther ? [] : [inHome]), tmpdir()]
  for (const parent of candidates) {
    const folder = join(
      parent,
      parent === inHome ? 'headwater-cluster' : `headwater-cluster-cache-${process.getuid?.()}`,
    )
    if (await isOurs(folder)) return folder
  }
  return undefined
}

/** Whether the folder is ours alone: anyone who could write to it could choose what we run. */
async function isOurs(folder: string): Promise<boolean> {
  try {
    await mkdir(folder, { recursive: true })
    const found = await lstat(folder)
    if (!found.isDirectory() || found.uid !== process.getuid?.()) return false
    // mkdir's mode is subject to the umask, and the unprivileged user must be able to enter.
    await chmod(folder, 0o755)
    return true
  } catch {
    return false
  }
}

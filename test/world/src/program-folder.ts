import { chown, mkdtemp, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Account } from './program.ts'

/** The account that owns a server's files, where we are root and can take it: servers and poolers refuse to run as root. */
export async function accountOf({ dataFolder }: { readonly dataFolder: string }): Promise<Account> {
  if (process.getuid?.() !== 0) return undefined
  const { uid, gid } = await stat(dataFolder)
  return { uid, gid }
}

/** Makes a folder that programs of this account can write to. Whoever made it takes it away. */
export async function makeProgramFolder(name: string, user: Account): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `headwater-${name}-`))
  if (user !== undefined) await chown(folder, user.uid, user.gid)
  return folder
}

import { chown, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ClusterError } from '../errors/cluster-error.ts'
import { runCommand } from '../machine/run-command.ts'
import type { ServerUser } from '../machine/server-user.ts'
import { withAdminSession } from '../postgres/admin-session.ts'

/** A server that runs, and where its data is. */
export interface RunningSource {
  readonly host: string
  readonly port: number
  readonly dataFolder: string
}

/** Its own, or of the server that it was copied from and of no use to another. */
const LEFT_OUT = ['postmaster.pid', 'postmaster.opts', 'standby.signal', 'recovery.signal', 'backup_label.old']
/** What a server may remove while its folder is copied. */
const VANISHED = /No such file or directory/

/**
 * Copies the data of a running server into an empty folder, with the label from which recovery begins: a base backup by the low-level API,
 * since not every provider brings `pg_basebackup`. Slots are left out, as they are there.
 * @throws ClusterError CLUSTER_START_FAILED
 */
export async function copyRunning(source: RunningSource, folder: string, user: ServerUser): Promise<void> {
  await withAdminSession(source, async (client) => {
    const [row] = (
      await client.query<{ version: number }>("select current_setting('server_version_num')::int as version")
    ).rows
    const isOld = (row?.version ?? 0) < 150_000
    // Both on one session: the backup ends with it.
    await client.query(
      isOld ? `select pg_start_backup('rejoin', true, false)` : `select pg_backup_start('rejoin', true)`,
    )
    await copy(source.dataFolder, folder, user)
    const stop = isOld ? 'pg_stop_backup(false, false)' : 'pg_backup_stop(false)'
    const { rows } = await client.query<{ label: string }>(`select labelfile as label from ${stop}`)
    for (const name of LEFT_OUT) await rm(join(folder, name), { force: true })
    for (const slot of await readdir(join(folder, 'pg_replslot')))
      await rm(join(folder, 'pg_replslot', slot), { recursive: true })
    const label = join(folder, 'backup_label')
    await writeFile(label, rows[0]?.label ?? '')
    // The server renames it, and writes it to the disk before.
    if (user.identity.uid !== undefined) await chown(label, user.uid, user.identity.gid ?? user.uid)
  })
}

async function copy(from: string, to: string, user: ServerUser): Promise<void> {
  const { code, output } = await runCommand('cp', ['-a', `${from}/.`, to], { user })
  const complaints = output.split('\n').filter((line) => line !== '' && !VANISHED.test(line))
  if (code !== 0 && complaints.length > 0)
    throw new ClusterError('CLUSTER_START_FAILED', 'The data of the server could not be copied.', { log: output })
}

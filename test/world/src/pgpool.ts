import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { askOnce } from './ask-once.ts'
import { findProgram } from './find-program.ts'
import { Front, type FrontServer } from './front.ts'
import { type Account, freePort } from './program.ts'

/** Whether this machine has one; where it has not, the tests that need it are skipped, and say so. */
export const hasPgpool: boolean = findProgram('pgpool') !== undefined

type Settings = Readonly<Record<string, string | number>>

/** With several servers it finds the primary by itself, leads there, and follows a failover. */
const SEVERAL: Settings = {
  sr_check_period: 1,
  health_check_user: 'postgres',
  health_check_period: 1,
  health_check_timeout: 2,
  failover_on_backend_error: 'on',
  detach_false_primary: 'on',
  search_primary_node_timeout: 60,
  auto_failback: 'on',
  auto_failback_interval: 2,
}
/** With one there is none to fail over to, and a standby is all that it can have. */
const ONE: Settings = { sr_check_period: 0, failover_on_backend_error: 'off', search_primary_node_timeout: 1 }

/**
 * pgpool-II before servers. It chooses none for reads: with several it leads to the primary, with one to that, whatever it is. `settings`
 * are added to its configuration, or stand in for what is there.
 */
export function startPgpool(servers: readonly FrontServer[], user: Account, settings: Settings = {}): Promise<Front> {
  const isOne = servers.length === 1
  return Front.start(
    {
      name: 'pgpool',
      // With TERM it waits for its clients to leave.
      endedBy: 'INT',
      isReady: async (url) => {
        const [row] = await askOnce<{ is: boolean }>(url, 'select pg_is_in_recovery() as is')
        return row !== undefined && (isOne || !row.is)
      },
      configure: async (folder, port) => {
        const all: Settings = {
          listen_addresses: '127.0.0.1',
          port,
          pcp_listen_addresses: '127.0.0.1',
          pcp_port: await freePort(),
          unix_socket_directories: folder,
          pcp_socket_dir: folder,
          logdir: folder,
          pid_file_name: join(folder, 'pgpool.pid'),
          num_init_children: 64,
          max_pool: 1,
          child_life_time: 60,
          load_balance_mode: 'off',
          connection_cache: 'off',
          use_watchdog: 'off',
          // In the mode for servers that know nothing of each other, 4.3 leaves open what a client without BEGIN writes.
          backend_clustering_mode: 'streaming_replication',
          sr_check_user: 'postgres',
          ...(isOne ? ONE : SEVERAL),
          ...Object.assign({}, ...servers.map((server, index) => backend(server, index, isOne))),
          ...settings,
        }
        const [file, empty] = [join(folder, 'pgpool.conf'), join(folder, 'empty.conf')]
        const lines = Object.entries(all).map(([name, value]) => `${name} = '${value}'\n`)
        await writeFile(file, lines.join(''))
        await writeFile(empty, '')
        return [findProgram('pgpool') ?? 'pgpool', '-n', '-f', file, '-a', empty, '-F', empty, '-k', empty]
      },
    },
    user,
  )
}

function backend({ name, port, dataFolder }: FrontServer, index: number, isOne: boolean): Settings {
  return {
    [`backend_hostname${index}`]: '127.0.0.1',
    [`backend_port${index}`]: port,
    [`backend_application_name${index}`]: name,
    // One that it detaches stays so until somebody attaches it by hand.
    [`backend_flag${index}`]: isOne ? 'DISALLOW_TO_FAILOVER' : 'ALLOW_TO_FAILOVER',
    [`backend_data_directory${index}`]: dataFolder,
  }
}

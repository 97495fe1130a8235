import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ask, type PatroniCluster } from './patroni-cluster.ts'
import { freePort } from './program.ts'

/** HAProxy before the cluster, as Patroni's documentation has it: it leads to whoever holds the lock. Gives its URL. */
export async function startHaproxy(cluster: PatroniCluster): Promise<string> {
  const port = await freePort()
  const servers = cluster.members.map(
    (member) => `  server ${member.name} 127.0.0.1:${member.port} check port ${new URL(member.api).port}`,
  )
  const lines = [
    'global',
    '  maxconn 400',
    'defaults',
    '  mode tcp',
    '  timeout connect 2s',
    '  timeout client 30m',
    '  timeout server 30m',
    '  timeout check 1s',
    'listen primary',
    `  bind 127.0.0.1:${port}`,
    '  option httpchk GET /primary',
    '  http-check expect status 200',
    '  default-server inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions',
    ...servers,
  ]
  const file = join(cluster.folder, 'haproxy.cfg')
  await writeFile(file, `${lines.join('\n')}\n`)
  const haproxy = await cluster.run([cluster.tools.haproxy, '-db', '-f', file])
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  await haproxy.until(async () => (await ask(url, 'select 1')).length === 1)
  return url
}

/** pgpool-II before the cluster: it finds the primary by itself, and chooses no server for reads. Gives its URL. */
export async function startPgpool(cluster: PatroniCluster): Promise<string> {
  const [port, pcpPort] = [await freePort(), await freePort()]
  const settings: Record<string, string | number> = {
    backend_clustering_mode: 'streaming_replication',
    listen_addresses: '127.0.0.1',
    port,
    pcp_listen_addresses: '127.0.0.1',
    pcp_port: pcpPort,
    unix_socket_directories: cluster.folder,
    pcp_socket_dir: cluster.folder,
    logdir: cluster.folder,
    pid_file_name: join(cluster.folder, 'pgpool.pid'),
    num_init_children: 64,
    max_pool: 1,
    child_life_time: 60,
    load_balance_mode: 'off',
    connection_cache: 'off',
    sr_check_user: 'postgres',
    sr_check_period: 1,
    health_check_user: 'postgres',
    health_check_period: 1,
    health_check_timeout: 2,
    failover_on_backend_error: 'on',
    detach_false_primary: 'on',
    search_primary_node_timeout: 60,
    auto_failback: 'on',
    auto_failback_interval: 2,
    use_watchdog: 'off',
  }
  for (const [index, { name, port: backend }] of cluster.members.entries()) {
    Object.assign(settings, {
      [`backend_hostname${index}`]: '127.0.0.1',
      [`backend_port${index}`]: backend,
      [`backend_application_name${index}`]: name,
      [`backend_flag${index}`]: 'ALLOW_TO_FAILOVER',
      [`backend_data_directory${index}`]: cluster.members[index]?.folder ?? '',
    })
  }
  const file = join(cluster.folder, 'pgpool.conf')
  const empty = join(cluster.folder, 'empty.conf')
  await writeFile(
    file,
    Object.entries(settings)
      .map(([name, value]) => `${name} = '${value}'\n`)
      .join(''),
  )
  await writeFile(empty, '')
  const pgpool = await cluster.run([cluster.tools.pgpool, '-n', '-f', file, '-a', empty, '-F', empty, '-k', empty])
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  await pgpool.until(async () => (await ask<{ is: boolean }>(url, 'select pg_is_in_recovery() as is'))[0]?.is === false)
  return url
}

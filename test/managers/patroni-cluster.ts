import { chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort, killProcess, makeProgramFolder, Program, until } from '@headwater/test-world'
import type { Tools } from './packages.ts'

/** The members: two in one region, one in another. */
const MEMBERS = [
  ['ams-1', 'ams'],
  ['ams-2', 'ams'],
  ['nrt-1', 'nrt'],
] as const

export type MemberName = (typeof MEMBERS)[number][0]

export interface Member {
  readonly name: MemberName
  readonly region: 'ams' | 'nrt'
  readonly port: number
  /** Where its REST API is. */
  readonly api: string
  readonly url: string
  readonly folder: string
}

/** A real Patroni over a real etcd, with synchronous replication. */
export class PatroniCluster implements AsyncDisposable {
  readonly tools: Tools
  readonly folder: string
  readonly members: readonly Member[]
  readonly #etcdPort: number
  readonly #owned: AsyncDisposable[] = []
  readonly #patronis = new Map<MemberName, Program>()

  private constructor(tools: Tools, folder: string, members: readonly Member[], etcdPort: number) {
    this.tools = tools
    this.folder = folder
    this.members = members
    this.#etcdPort = etcdPort
  }

  static async start(tools: Tools): Promise<PatroniCluster> {
    const folder = await makeProgramFolder('managers', tools.user)
    const members = await Promise.all(
      MEMBERS.map(async ([name, region]): Promise<Member> => {
        const [port, api] = [await freePort(), await freePort()]
        const url = `postgres://postgres@127.0.0.1:${port}/postgres`
        return { name, region, port, api: `http://127.0.0.1:${api}`, url, folder: join(folder, name) }
      }),
    )
    const cluster = new PatroniCluster(tools, folder, members, await freePort())
    try {
      await cluster.#startEtcd()
      const [first, ...others] = members
      if (first === undefined) throw new Error('a cluster needs members')
      // The first to come becomes the leader; the others copy it.
      await cluster.startMember(first)
      await until('no member became the leader', async () => (await cluster.leader()) === first)
      await Promise.all(others.map((member) => cluster.startMember(member)))
      await cluster.untilHealthy()
      return cluster
    } catch (error) {
      await cluster[Symbol.asyncDispose]()
      throw error
    }
  }

  member(name: MemberName): Member {
    const found = this.members.find((member) => member.name === name)
    if (found === undefined) throw new Error(`there is no ${name}`)
    return found
  }

  /** Who holds the lock, by any member that answers. */
  async leader(): Promise<Member | undefined> {
    const leaders = (await this.#view()).filter(({ role }) => role === 'leader')
    return this.members.find(({ name }) => name === leaders[0]?.name)
  }

  /** Waits until there is a leader that runs, and both others are in step with it. */
  async untilHealthy(): Promise<void> {
    const isHealthy = async (): Promise<boolean> => {
      const view = await this.#view()
      const running = view.filter(({ state }) => state === 'running' || state === 'streaming')
      const timelines = new Set(running.map(({ timeline }) => timeline))
      const inStep = view.filter(({ role }) => role === 'sync_standby').length
      return running.length === MEMBERS.length && timelines.size === 1 && inStep === MEMBERS.length - 1
    }
    await until('the cluster is not healthy', isHealthy, 90_000).catch(async (error: Error) => {
      throw new Error(`${error.message}: ${JSON.stringify(await this.#view())}`)
    })
  }

  /** Asks Patroni for a planned switchover, and waits for its word. */
  async switchover(candidate: Member): Promise<void> {
    const leader = await this.leader()
    const response = await fetch(`${leader?.api}/switchover`, {
      method: 'POST',
      body: JSON.stringify({ leader: leader?.name, candidate: candidate.name }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`Patroni refused the switchover: ${response.status} ${text}`)
  }

  /** Has Patroni leave everything as it is, whoever is the primary: two are only warned of. Waits until every member knows. */
  async pause(): Promise<void> {
    const leader = await this.leader()
    const response = await fetch(`${leader?.api}/config`, { method: 'PATCH', body: JSON.stringify({ pause: true }) })
    if (!response.ok) throw new Error(`Patroni refused the pause: ${response.status} ${await response.text()}`)
    await until('a member has not heard of the pause', async () => {
      const states = await Promise.all(this.members.map(async ({ api }) => (await fetch(`${api}/patroni`)).json()))
      return states.every((state) => (state as { pause?: boolean }).pause === true)
    })
  }

  /** Takes the leader's lock away, as its time-out does: the next member that is a primary gets it. */
  async dropLock(): Promise<void> {
    const key = Buffer.from('/service/headwater/leader').toString('base64')
    const url = `http://127.0.0.1:${this.#etcdPort}/v3/kv/deleterange`
    const response = await fetch(url, { method: 'POST', body: JSON.stringify({ key }) })
    if (!response.ok) throw new Error(`etcd refused: ${response.status} ${await response.text()}`)
  }

  /** Kills every process of a member at once, as when its machine is gone. */
  async killMember(member: Member): Promise<void> {
    this.#patronis.get(member.name)?.kill('SIGKILL')
    await killServer(member)
  }

  async startMember(member: Member): Promise<void> {
    const { tools } = this
    await mkdir(member.folder, { recursive: true, mode: 0o700 })
    if (tools.user !== undefined) await chown(member.folder, tools.user.uid, tools.user.gid)
    const file = join(member.folder, 'patroni.yml')
    // JSON is YAML.
    await writeFile(file, JSON.stringify(this.#configOf(member)))
    const program = await Program.start([tools.patroni, file], { user: tools.user, folder: member.folder })
    this.#patronis.set(member.name, this.own(program))
  }

  /** Ends it with the cluster, behind the members. */
  own<Owned extends AsyncDisposable>(owned: Owned): Owned {
    this.#owned.push(owned)
    return owned
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The members before their store: Patroni stops its server when it ends.
    for (const program of this.#patronis.values()) program.kill('SIGKILL')
    await Promise.all(this.members.map(killServer))
    await Promise.all(this.#owned.map((owned) => owned[Symbol.asyncDispose]()))
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 })
  }

  async #startEtcd(): Promise<void> {
    const client = `http://127.0.0.1:${this.#etcdPort}`
    const peer = `http://127.0.0.1:${await freePort()}`
    const command = [
      this.tools.etcd,
      ...['--data-dir', join(this.folder, 'etcd'), '--name', 'one'],
      ...['--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `one=${peer}`],
      '--unsafe-no-fsync',
    ]
    const etcd = this.own(await Program.start(command, { user: this.tools.user, folder: this.folder }))
    await etcd.until(async () => (await fetch(`${client}/health`)).ok)
  }

  #configOf({ name, region, port, api, folder }: Member): object {
    const place = api.slice('http://'.length)
    return {
      scope: 'headwater',
      name,
      restapi: { listen: place, connect_address: place },
      etcd3: { host: `127.0.0.1:${this.#etcdPort}` },
      bootstrap: {
        dcs: {
          // The lowest that Patroni takes; a machine that is gone is noticed after this.
          ttl: 20,
          loop_wait: 1,
          retry_timeout: 5,
          // A server that crashed on a machine that lives is not waited for.
          primary_start_timeout: 0,
          synchronous_mode: true,
          synchronous_node_count: MEMBERS.length - 1,
          postgresql: {
            use_pg_rewind: true,
            use_slots: true,
            parameters: { max_connections: 200, wal_keep_size: '256MB' },
          },
        },
        initdb: [{ encoding: 'UTF8' }, { locale: 'C' }, 'data-checksums', 'no-sync'],
      },
      postgresql: {
        listen: `127.0.0.1:${port}`,
        connect_address: `127.0.0.1:${port}`,
        data_dir: join(folder, 'data'),
        bin_dir: this.tools.postgresBin,
        pgpass: join(folder, 'pgpass'),
        pg_hba: ['host all all 127.0.0.1/32 trust', 'host replication all 127.0.0.1/32 trust'],
        authentication: { superuser: { username: 'postgres' }, replication: { username: 'postgres' } },
        parameters: { unix_socket_directories: '', 'headwater.region': region, fsync: 'off' },
      },
      tags: { region },
    }
  }

  async #view(): Promise<readonly { name: string; role: string; state: string; timeline?: number }[]> {
    for (const { api } of this.members) {
      try {
        const response = await fetch(`${api}/cluster`, { signal: AbortSignal.timeout(1_000) })
        const { members } = (await response.json()) as {
          members: { name: string; role: string; state: string; timeline?: number }[]
        }
        if (Array.isArray(members)) return members
      } catch {
        // The next one may answer.
      }
    }
    return []
  }
}

/** Kills a member's server, and its backends: with the postmaster they end by themselves. */
export async function killServer({ folder }: Member): Promise<void> {
  const text = await readFile(join(folder, 'data', 'postmaster.pid'), 'utf8').catch(() => '')
  const pid = Number(text.split('\n')[0])
  if (pid > 1) killProcess(pid, 'SIGKILL')
}

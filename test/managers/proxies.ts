import { type FrontServer, startHaproxy, startPgpool } from '@headwater/test-world'
import type { Member, PatroniCluster } from './patroni-cluster.ts'

const serverOf = ({ name, port, folder }: Member): FrontServer => ({ name, port, dataFolder: folder })

/** HAProxy before the cluster, as Patroni's documentation has it: it leads to whoever holds the lock. Gives its URL. */
export async function haproxyBefore(cluster: PatroniCluster): Promise<string> {
  const portOf = ({ name }: FrontServer): number => {
    const api = cluster.members.find((member) => member.name === name)?.api
    if (api === undefined) throw new Error(`there is no member ${name}`)
    return Number(new URL(api).port)
  }
  const lines = ['option httpchk GET /primary', 'http-check expect status 200']
  const front = await startHaproxy(cluster.members.map(serverOf), { lines, portOf }, cluster.tools.user)
  return cluster.own(front).url
}

/** pgpool-II before the cluster. Gives its URL. */
export async function pgpoolBefore(cluster: PatroniCluster): Promise<string> {
  return cluster.own(await startPgpool(cluster.members.map(serverOf), cluster.tools.user)).url
}

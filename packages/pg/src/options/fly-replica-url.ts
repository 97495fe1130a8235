/** HAProxy on every member, which leads to the primary. */
const WRITER_PORT = '5432'
/** The member itself. */
const MEMBER_PORT = '5433'

/** `<db>.flycast`, `<db>.internal`, `top1.nearest.of.<db>.internal`, `ams.<db>.internal`. */
const FLY_HOST = /^(?:([a-z0-9-]+)\.flycast|(?:top[1-9]\.nearest\.of\.|[a-z]{3}\.)?([a-z0-9-]+)\.internal)$/

/**
 * The URL of the members of a Fly Postgres in `region`, by the URL that `fly postgres attach` leaves in DATABASE_URL:
 * `<region>.<db>.internal:5433`, with everything else as it is. `undefined` where it leads to no Fly Postgres, to a port that is not
 * the writer's, or to one machine.
 *
 * The name resolves only where the region has a member. Fly's own example keeps `top1.nearest.of.<db>.internal`, which may lead to
 * another region: each query would cross, where a replay crosses once. Flycast goes through Fly's proxy, whose ports
 * are the cluster's own choice; `.internal` leads to the same machines.
 *
 * Source: https://fly.io/docs/postgres/advanced-guides/high-availability-and-global-replication/ (2024-03-06: 5432 always leads to a
 * writable instance, 5433 to the member itself) and https://fly.io/docs/networking/private-networking/ (2026-01-28: the names). Not
 * tried on real Fly machines.
 */
export function flyReplicaUrl(databaseUrl: string, region: string): string | undefined {
  if (!/^postgres(?:ql)?:\/\//.test(databaseUrl) || !URL.canParse(databaseUrl)) return undefined
  const url = new URL(databaseUrl)
  const [, onFlycast, onPrivateNetwork] = FLY_HOST.exec(url.hostname) ?? []
  const database = onFlycast ?? onPrivateNetwork
  const isWriter = url.port === '' || url.port === WRITER_PORT
  // pg takes a host or a port in the query for the server's.
  if (database === undefined || !isWriter || url.searchParams.has('host') || url.searchParams.has('port'))
    return undefined
  url.hostname = `${region}.${database}.internal`
  url.port = MEMBER_PORT
  return url.href
}

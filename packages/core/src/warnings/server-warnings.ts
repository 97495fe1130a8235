/** A server as a warning names it: what configures it, and where it is, as `DATABASE_URL (db.ams.internal:5432)`. */
interface AboutServer {
  readonly server: string
}

/** What a pool finds out about its servers. Each names the variable or option, and the value that it wants. */
export const SERVER_WARNINGS = {
  HEADWATER_SERVER_DOWN: ({
    server,
    problem,
    isPrimary,
  }: AboutServer & { problem: string; isPrimary: boolean }): string =>
    `${server} cannot be reached: ${problem}. ${
      isPrimary
        ? 'Reads go on, writes are refused with 503 until it answers. It should be the address of the server that accepts writes.'
        : 'Its reads go on elsewhere, perhaps across regions. It should be the address of a running replica in this region.'
    }`,

  HEADWATER_SERVER_REFUSED: ({
    server,
    problem,
    isPrimary,
  }: AboutServer & { problem: string; isPrimary: boolean }): string =>
    `${server} refuses the login: ${problem}. ${isPrimary ? 'No write works.' : 'Its reads go on elsewhere, perhaps across regions.'} Check user, password and database in it.`,

  HEADWATER_SERVER_FULL: ({ server, problem }: AboutServer & { problem: string }): string =>
    `${server} has no connection left: ${problem}. Set \`max\` lower in every instance, raise max_connections, or put a pooler in front of it.`,

  HEADWATER_SERVER_FENCED: ({ server, timeline, newest }: AboutServer & { timeline: number; newest: number }): string =>
    `${server} accepts writes on timeline ${timeline}, and the cluster is on timeline ${newest}: it is a primary of the past. It is neither written nor read. Stop it, rewind it (pg_rewind) and start it as a standby, or take it out.`,

  HEADWATER_TWO_PRIMARIES: ({ servers }: { servers: string }): string =>
    `two servers of one timeline accept writes: ${servers}. They are neither written nor read until one of them is gone: stop the wrong one, take it out of the options, or let \`truth\` decide.`,

  HEADWATER_PRIMARY_IS_STANDBY: ({ server, primary }: AboutServer & { primary: string | undefined }): string =>
    primary === undefined
      ? `${server} is configured as the primary, and it is a standby: it refuses every write. Set it to the server that accepts writes.`
      : `${server} is configured as the primary, and it is a standby; ${primary} accepts the writes, so they go there. Exchange the two.`,

  HEADWATER_REPLICA_IS_PRIMARY: ({ server, primary }: AboutServer & { primary: string }): string =>
    `${server} is configured as a replica, and it is no standby: it accepts writes as ${primary} does. Set it to a standby that follows ${primary}.`,

  HEADWATER_PRIMARY_READ_ONLY: ({ server }: AboutServer): string =>
    `${server} is no standby, and its sessions begin read-only (default_transaction_read_only is on), so it is not taken for the primary and nothing is written. Set default_transaction_read_only to off there: alter system, alter database and alter role can each have set it.`,

  HEADWATER_SAME_SERVER: ({ server, other }: AboutServer & { other: string }): string =>
    `${server} and ${other} lead to the same server: it is read over both, and there is one server less than it seems. Set each to a server of its own; an app without a replica says \`replicas: []\`.`,

  HEADWATER_FOREIGN_SERVER: ({ server, primary }: AboutServer & { primary: string }): string =>
    `${server} belongs to another cluster than ${primary} (their system identifiers differ), so it holds other data and is not read. Set it to a standby that follows ${primary}.`,

  HEADWATER_PRIMARY_FAR: ({
    server,
    millis,
    region,
  }: AboutServer & { millis: number; region: string | undefined }): string =>
    region === undefined
      ? `the primary, ${server}, is ${millis} ms away, and nothing says in which region this process is: so it counts as at home, replays nothing, and each query crosses that distance. Set FLY_REGION, or \`region\`, and PRIMARY_REGION.`
      : `the primary, ${server}, is ${millis} ms away although this process is in its region (${region}): each query crosses that distance, and nothing is replayed. PRIMARY_REGION should name the region where the primary runs, and FLY_REGION the one where this process runs.`,

  HEADWATER_REPLICA_FAR: ({
    server,
    millis,
    region,
  }: AboutServer & { millis: number; region: string | undefined }): string =>
    `${server}, the replica of this region${region === undefined ? '' : ` (${region})`}, is ${millis} ms away: each read crosses that distance. Set it to a replica that runs here, or give it the \`region\` that it runs in.`,

  HEADWATER_OTHER_REGION_NEARER: ({
    server,
    serverRegion,
    millis,
    region,
    own,
    ownMillis,
  }: AboutServer & { serverRegion: string; millis: number; region: string; own: string; ownMillis: number }): string =>
    `this process is said to be in ${region}, and ${server} of ${serverRegion} is nearer (${millis} ms) than ${own} of ${region} (${ownMillis} ms). If this process runs in ${serverRegion}, set FLY_REGION, or \`region\`, to it; if not, the regions of the servers are exchanged (PRIMARY_REGION, \`replicas[…].region\`).`,

  HEADWATER_POOLER_FOUND: ({ server }: AboutServer): string =>
    `${server} is behind a pooler, and nothing says which kind: it counts as one that shares its sessions between transactions, so what needs a session of its own is refused. Say \`pooler: 'transaction'\`, or \`pooler: 'session'\` where it keeps them, and give the server's own URL as \`direct\`.`,

  HEADWATER_POOLER_SHARES: ({ server }: AboutServer): string =>
    `${server} was said to be behind a pooler that keeps sessions, and the process that answers has changed under an open connection: it counts as one that shares them from now on, and what needs a session of its own is refused. Set its pool_mode back to session, or say \`pooler: 'transaction'\` and give the server's own URL as \`direct\`.`,

  HEADWATER_FRONT_BALANCES: ({ server }: AboutServer): string =>
    `${server} leads to several servers on one connection: what stands in front of it sends reads elsewhere by itself, so a client may not see its own writes. Switch that off (pgpool-II: load_balance_mode = off), or give each server's own URL.`,

  HEADWATER_SLOWER_PREPARED: ({ server, statement }: AboutServer & { statement: string }): string =>
    `${server} runs a statement slower prepared (${statement}) than unprepared: its data are skewed. It is sent unprepared from now on; \`prepare: { plans: 'safe' }\`, the default, or \`prepare: false\` on that query leaves it out.`,

  HEADWATER_TOO_MANY_CONNECTIONS: ({
    server,
    needed,
    allowed,
    max,
    instances,
  }: AboutServer & { needed: number; allowed: number; max: number; instances: number }): string =>
    `${server} takes ${allowed} connections (max_connections without the reserved ones), and ${instances === 1 ? 'this instance' : `the ${instances} instances that are connected to it`} may open ${needed}: when all are busy, logins are refused (53300). Set \`max\`, which is ${max}, to ${Math.max(1, Math.floor(allowed / instances) - 1)} or less, or raise max_connections.`,

  HEADWATER_POSITION_REFUSED: ({ server, problem }: AboutServer & { problem: string }): string =>
    `${server} does not say how far it is along the log (${problem}), so reads that must be fresh do not run there, and a promotion is not seen. Grant the user of this app the role pg_monitor, and EXECUTE on pg_control_system and pg_control_checkpoint where it was revoked.`,

  HEADWATER_CATALOG_UNREADABLE: ({ problem }: { problem: string }): string =>
    `the database's catalog cannot be read (${problem}), so every statement that calls a function or reads a view of your own goes to the primary. Grant the user of this app SELECT on the tables of pg_catalog; \`catalog: false\` goes without it.`,

  HEADWATER_TRUTH_UNREACHABLE: ({ why }: { why: string }): string =>
    `several servers accept writes, and the \`truth\` that decides between them cannot be asked (${why}): nobody writes until it can be, or one of them is gone.`,

  HEADWATER_DNS_UNANSWERED: ({ name }: { name: string }): string =>
    `DNS gave no answer for ${name}: the servers that were known are kept, and it is asked again every second. Check the name, and the DNS servers of this machine.`,

  HEADWATER_REGION_UNKNOWN: ({ server, from }: AboutServer & { from: string }): string =>
    `${from} gave no name of a region for ${server}, so it counts as in the region before. A region is 1 to 63 characters of a-z, 0-9 and "-".`,
} as const

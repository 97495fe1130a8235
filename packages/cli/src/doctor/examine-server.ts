import type { PgClient, PgClientClass, WiredServer } from './wiring.ts'

/** What a server said of itself. Each part is `undefined` when the server did not say it. */
export interface Examined {
  readonly server: WiredServer
  /** Why it gave no session; `undefined`: it gave one. */
  readonly failure: { readonly message: string; readonly code: string | undefined } | undefined
  readonly facts: ServerFacts | undefined
  readonly identity: { readonly cluster: string; readonly timeline: number } | undefined
  /** Why it did not say who it is. */
  readonly identityRefused: string | undefined
  /** Whether the WAL receiver of a standby runs; `undefined` when it is none, or this user may not know. */
  readonly isReceiving: boolean | undefined
  /** Extensions with functions in C. */
  readonly extensions: readonly string[]
  readonly roundTripMillis: number | undefined
}

export interface ServerFacts {
  readonly version: number
  readonly isStandby: boolean
  readonly user: string
  readonly isReadOnly: boolean
  readonly hotStandbyFeedback: boolean
  /** `max_standby_streaming_delay`, in ms; -1: none. */
  readonly standbyDelayMillis: number
  /** `wal_receiver_status_interval`, in seconds; 0: never. */
  readonly statusIntervalSeconds: number
  readonly synchronousCommit: string
  /** Connections for everybody, without the reserved ones. */
  readonly allowed: number
  readonly instances: number
  readonly mayReadStatistics: boolean
  readonly startedAt: string
  readonly clockMillis: number
  /** When the answer came, by the clock of this machine. */
  readonly heardAt: number
  /** The position: replayed on a standby, written on a primary. */
  readonly lsn: bigint
  /** How old the last replayed transaction is, in ms; `undefined` on a primary. */
  readonly replayAgeMillis: number | undefined
  readonly usesTls: boolean | undefined
  /** Whether the process that answers is not the one that the connection was made to. */
  readonly isPooled: boolean
}

const FACTS = `
  select current_setting('server_version_num')::int, pg_is_in_recovery(), current_user,
         current_setting('default_transaction_read_only') = 'on',
         current_setting('hot_standby_feedback') = 'on',
         (select setting::int * case unit when 's' then 1000 else 1 end from pg_settings where name = 'max_standby_streaming_delay'),
         (select setting::int from pg_settings where name = 'wal_receiver_status_interval'),
         current_setting('synchronous_commit'),
         current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
           - coalesce(current_setting('reserved_connections', true)::int, 0),
         (select count(distinct coalesce(client_addr::text, '')) from pg_stat_activity
           where usename = current_user and datname = current_database()),
         pg_has_role(current_user, 'pg_read_all_stats', 'usage'),
         extract(epoch from pg_postmaster_start_time())::text,
         (extract(epoch from clock_timestamp()) * 1000)::bigint,
         pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, '0/0'),
         (extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000)::bigint,
         (select ssl from pg_stat_ssl where pid = pg_backend_pid()),
         pg_backend_pid()`

const IDENTITY = `
  select (select system_identifier from pg_control_system()),
         greatest((select timeline_id from pg_control_checkpoint()), (select min_recovery_end_timeline from pg_control_recovery()),
                  (select received_tli from pg_stat_wal_receiver))`

const RECEIVER = `select count(*) > 0 from pg_stat_wal_receiver`

const EXTENSIONS = `
  select distinct e.extname from pg_extension e
    join pg_depend d on d.refclassid = 'pg_extension'::regclass and d.refobjid = e.oid and d.classid = 'pg_proc'::regclass and d.deptype = 'e'
    join pg_proc p on p.oid = d.objid join pg_language l on l.oid = p.prolang
   where l.lanname = 'c' order by 1`

const CONNECT_MILLIS = 2_000
const QUERY_MILLIS = 1_500
const PINGS = 4
const AS_TEXT = { getTypeParser: () => (text: unknown) => text }

/** Connects to one server, and asks it all that the checks need. Never rejects; takes no longer than `signal` allows. */
export async function examineServer(
  Client: PgClientClass,
  server: WiredServer,
  signal: AbortSignal,
): Promise<Examined> {
  const config: object = Object.defineProperties({}, Object.getOwnPropertyDescriptors(server.config))
  Reflect.set(config, 'connectionTimeoutMillis', CONNECT_MILLIS)
  let client: PgClient | undefined
  const leave = (): void => client?.connection.stream.destroy()
  const nothing: Examined = {
    server,
    failure: undefined,
    facts: undefined,
    identity: undefined,
    identityRefused: undefined,
    isReceiving: undefined,
    extensions: [],
    roundTripMillis: undefined,
  }
  try {
    client = new Client(config)
    client.on('error', () => undefined)
    signal.addEventListener('abort', leave, { once: true })
    await before(client.connect(), signal).catch((error: unknown) => {
      throw isSilence(error) ? silent() : error
    })
    return await before(ask(client, nothing), signal)
  } catch (error) {
    return { ...nothing, failure: inWords(error) }
  } finally {
    signal.removeEventListener('abort', leave)
    leave()
  }
}

async function ask(client: PgClient, nothing: Examined): Promise<Examined> {
  const rowsOf = async (text: string): Promise<readonly (readonly (string | null)[])[]> => {
    const { rows } = await client.query({ text, rowMode: 'array', query_timeout: QUERY_MILLIS, types: AS_TEXT })
    return rows
  }
  const [row = []] = await rowsOf(FACTS)
  const facts = factsIn(row, Date.now(), client.processID)
  let identity: Examined['identity']
  let identityRefused: string | undefined
  try {
    const [[cluster, timeline] = []] = await rowsOf(IDENTITY)
    if (cluster && timeline) identity = { cluster, timeline: Number(timeline) }
  } catch (error) {
    identityRefused = inWords(error).message
  }
  const mayKnowReceiver = facts.isStandby && facts.mayReadStatistics
  const isReceiving = mayKnowReceiver ? (await rowsOf(RECEIVER))[0]?.[0] === 't' : undefined
  const extensions = (await rowsOf(EXTENSIONS).catch(() => [])).flatMap(([name]) => name ?? [])
  let roundTripMillis = Number.POSITIVE_INFINITY
  for (let ping = 0; ping < PINGS; ping += 1) {
    const sentAt = performance.now()
    await rowsOf('select 1')
    roundTripMillis = Math.min(roundTripMillis, performance.now() - sentAt)
  }
  return { ...nothing, facts, identity, identityRefused, isReceiving, extensions, roundTripMillis }
}

function factsIn(row: readonly (string | null)[], heardAt: number, processId: number | null): ServerFacts {
  const is = (at: number): boolean => row[at] === 't'
  const number = (at: number): number => Number(row[at])
  const optional = (at: number): string | undefined => row[at] ?? undefined
  const age = optional(14)
  const tls = optional(15)
  return {
    version: number(0),
    isStandby: is(1),
    user: row[2] ?? '',
    isReadOnly: is(3),
    hotStandbyFeedback: is(4),
    standbyDelayMillis: number(5),
    statusIntervalSeconds: number(6),
    synchronousCommit: row[7] ?? '',
    allowed: number(8),
    instances: Math.max(1, number(9)),
    mayReadStatistics: is(10),
    startedAt: row[11] ?? '',
    clockMillis: number(12),
    heardAt,
    lsn: BigInt(row[13] ?? '0'),
    replayAgeMillis: age === undefined || !is(1) ? undefined : Number(age),
    usesTls: tls === undefined ? undefined : tls === 't',
    isPooled: processId !== null && number(16) !== processId,
  }
}

function before<Result>(promise: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(silent())
    if (signal.aborted) return abort()
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

function silent(): Error {
  return Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })
}

/** Source: pg 8.23, what it says when its time for connecting is over; neither has a code. */
function isSilence(error: unknown): boolean {
  return (
    error instanceof Error &&
    /^(?:timeout expired|Connection terminated due to connection timeout)$/.test(error.message)
  )
}

/** What stands between `//` and `@` in a URL: a user and a password. */
const CREDENTIALS = /\/\/[^\s@]*@/g

/** The words and the code of an error, without the credentials of any URL in it. */
export function inWords(error: unknown): { readonly message: string; readonly code: string | undefined } {
  const [first] = error instanceof AggregateError ? error.errors : []
  const own: unknown = first ?? error
  const code: unknown = Reflect.get(Object(own), 'code')
  const message = own instanceof Error && own.message !== '' ? own.message : String(code ?? own)
  const isSecret = code === 'ERR_INVALID_URL'
  return {
    message: isSecret ? 'it is no URL' : message.replaceAll(CREDENTIALS, '//***@'),
    code: typeof code === 'string' ? code : undefined,
  }
}

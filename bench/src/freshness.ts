import { runInScope, Scope } from '@headwater/core'
import { type ClientSession, formatLsn, type ReadPosition, signToken, verifyToken } from '@headwater/core/internal'
import { RoutedPool } from '@headwater/pg'
import { type Block, comparePairs, measurePairs, type PairedResult } from './paired.ts'
import { startPinnedCluster } from './pinned-cluster.ts'
import { SCHEMA } from './pool-workloads.ts'
import { type Figure, type Section, show } from './report.ts'
import { summarise } from './statistics.ts'
import { timeInTurns } from './timing.ts'

const QUICK = { pairs: 15, blockMs: 20 }
const FULL = { pairs: 240, blockMs: 25 }
const CONCURRENCIES = [1, 10] as const
const READ = 'select id, body from note where id = $1'
const SECRETS = ['a secret that is only for measuring']

/** What one request does, and what its scope is told. */
interface Request {
  readonly session: () => ConstructorParameters<typeof ClientSession>[0]
  readonly run: (scope: Scope) => Promise<unknown>
}

/** What tokens cost: reads under one that every replica has, and requests that write and so get one. */
export async function measureFreshness(isQuick: boolean): Promise<readonly Section[]> {
  await using pinned = await startPinnedCluster({ replicas: ['ams'] })
  const { cluster } = pinned
  const [replica] = cluster.replicas
  if (replica === undefined) throw new Error('[bench] the cluster has no replica')
  await cluster.primary.query(SCHEMA)
  // The view hides from the text that this is node-local.
  await cluster.primary.query('create view server as select pg_is_in_recovery() as is_standby')
  await cluster.primary.query("insert into note (body) values ('first')")
  const pool = new RoutedPool({
    logger: false,
    max: 10,
    idleTimeoutMillis: 0,
    region: 'ams',
    primary: { region: 'ams', connectionString: cluster.primary.url },
    replicas: [{ region: 'ams', connectionString: replica.url }],
    catalog: false,
  })
  const effort = isQuick ? QUICK : FULL
  try {
    const minPosition = await seenAfterWrite(pool)
    await cluster.waitUntilCaughtUp()
    await untilReadsAreLocal(pool, minPosition)
    const sections = [await measureReads(pool, minPosition, effort), await measureWrites(pool, effort)]
    const pinnedSections = sections.map((section) => ({ ...section, note: `${section.note} ${pinned.note}` }))
    return [...pinnedSections, measureTokens(minPosition, isQuick)]
  } finally {
    await pool.end()
  }
}

async function measureReads(pool: RoutedPool, minPosition: ReadPosition, effort: typeof FULL): Promise<Section> {
  const read = () => pool.query(READ, [1])
  const without: Request = { session: () => ({}), run: read }
  const withToken: Request = {
    session: () => ({ minPosition, isWanted: true }),
    run: (scope) => readAndSettle(read, scope),
  }
  const lsn = formatLsn(minPosition.lsn)
  const polling: Request = {
    session: () => ({}),
    run: async () => {
      await pool.query('select pg_last_wal_replay_lsn() >= $1::pg_lsn as "isCaughtUp"', [lsn])
      return read()
    },
  }
  const figures: Figure[] = []
  for (const concurrency of CONCURRENCIES) {
    const baseline = blockOf(without, concurrency)
    const tokens = comparePairs(await measurePairs(baseline, blockOf(withToken, concurrency), effort))
    figures.push(...figuresOf(`a read under a token, ${concurrency} at once`, tokens, { atLeast: 0.97 }))
    const polled = comparePairs(await measurePairs(baseline, blockOf(polling, concurrency), effort))
    figures.push(...figuresOf(`a read that asks the replica first, ${concurrency} at once`, polled))
  }
  return {
    title: 'Reads on a replica that has all that the token has, against the same without a token',
    note: noteOf(effort),
    figures,
  }
}

async function measureWrites(pool: RoutedPool, effort: typeof FULL): Promise<Section> {
  const insert = () => pool.query('insert into note (body) values ($1)', ['a note'])
  const transact = async (): Promise<void> => {
    const client = await pool.connect()
    try {
      await client.query('BEGIN')
      await client.query('insert into note (body) values ($1)', ['a note'])
      await client.query('COMMIT')
    } finally {
      client.release()
    }
  }
  const figures: Figure[] = []
  for (const [name, write] of [
    ['an insert', insert],
    ['BEGIN, INSERT, COMMIT', transact],
  ] as const) {
    const without: Request = { session: () => ({}), run: write }
    const withToken: Request = { session: () => ({ isWanted: true }), run: (scope) => readAndSettle(write, scope) }
    const result = comparePairs(await measurePairs(blockOf(without, 1), blockOf(withToken, 1), effort))
    figures.push(...figuresOf(`${name}, and its token`, result))
  }
  return {
    title: 'A request that writes at home and gets a token, against the same without',
    note: `${noteOf(effort)} An insert has one more query behind it in the same round trip; a COMMIT brings the position along.`,
    figures,
  }
}

function measureTokens(minPosition: ReadPosition, isQuick: boolean): Section {
  const now = Date.now()
  const token = { ...minPosition, issuedAt: now, expires: now + 60_000 }
  const text = signToken(token, SECRETS)
  const samples = timeInTurns(
    [
      { name: 'sign', work: (count) => repeat(count, () => signToken(token, SECRETS).length) },
      { name: 'verify', work: (count) => repeat(count, () => verifyToken(text, SECRETS, now)?.node ?? 1) },
    ],
    isQuick ? 20 : 100,
  )
  const figures = [...samples].map(([name, nanoseconds]) => ({
    name: `${name} a token`,
    unit: 'µs',
    summary: summarise(nanoseconds.map((time) => time / 1000)),
  }))
  return { title: 'The token itself', note: 'HMAC-SHA-256 by node:crypto, one secret.', figures }
}

function repeat(count: number, work: () => number): number {
  let sum = 0
  for (let round = 0; round < count; round += 1) sum += work()
  return sum
}

function figuresOf(name: string, result: PairedResult, target?: Figure['target']): Figure[] {
  const throughput = { name: `${name}: throughput`, unit: '×', summary: result.throughput }
  return [
    target === undefined ? throughput : { ...throughput, target },
    {
      name: `${name}: CPU added`,
      unit: 'µs',
      summary: result.addedCpu,
      beside: `to ${show(result.baselineCpu.median)} µs`,
    },
  ]
}

function noteOf({ pairs, blockMs }: typeof FULL): string {
  return `${pairs} pairs of ${blockMs} ms blocks in alternating order, compared within each pair; each run is a request of its own.`
}

/** Each operation is one request: a token belongs to a request. */
function blockOf({ session, run }: Request, concurrency: number): Block {
  return async (operations) => {
    let left = operations
    const caller = async (): Promise<void> => {
      while (left-- > 0) {
        const scope = new Scope({ kind: 'request', session: session() ?? {} })
        await runInScope(scope, () => run(scope))
      }
    }
    await Promise.all(Array.from({ length: concurrency }, caller))
  }
}

async function readAndSettle(work: () => Promise<unknown>, scope: Scope): Promise<void> {
  await work()
  // As the HTTP adapters do: most answers need not wait.
  if (scope.session.mustAskPrimary) await scope.session.capturePosition()
  else scope.session.positionNow()
}

async function seenAfterWrite(pool: RoutedPool): Promise<ReadPosition> {
  const scope = new Scope({ session: { isWanted: true } })
  const seen = await runInScope(scope, async () => {
    await pool.query("insert into note (body) values ('second')")
    return scope.session.capturePosition()
  })
  if (seen === undefined) throw new Error('[bench] a write left nothing to see')
  return seen
}

/** Until the watcher has its first answer; asked of the server, which must be the replica. */
async function untilReadsAreLocal(pool: RoutedPool, minPosition: ReadPosition): Promise<void> {
  const end = performance.now() + 10_000
  for (;;) {
    const scope = new Scope({ kind: 'request', session: { minPosition } })
    const { rows } = await runInScope(scope, () => pool.query('select is_standby from server'))
    if (rows[0]?.is_standby === true) return
    if (performance.now() > end) throw new Error('[bench] reads under a token did not reach the replica')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

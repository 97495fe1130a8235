import { withPrimary, withReplica } from '@headwater/core'
import type { Data } from './data.ts'
import { codeOf, describeError } from './errors.ts'

/** Where the app runs a case: a request to the primary's region, one to the other region, or a call outside any request there. */
export const PLACES = ['home', 'away', 'outside'] as const
export type Place = (typeof PLACES)[number]

export interface Expected {
  /** The status of the response; outside a request 500 is a rejection. Default 200. */
  readonly status?: number
  /** What the handler gave. Default: whatever. */
  readonly answer?: unknown
  /** Whether the request was handed to the primary's region. */
  readonly isReplayed: boolean
  /** How many notes there are in the end. */
  readonly notes: number
}

/** What a handler gets of its request. */
export interface Call {
  /** Told apart from every other call's. */
  readonly body: string
  write(line: string): Promise<void>
}

export interface Case {
  readonly name: string
  readonly method: 'GET' | 'POST'
  /** What the library must have for it. */
  readonly uses: readonly (keyof Data)[]
  /** Whether the handler starts the response before it ends. */
  readonly isStreamed: boolean
  readonly run: (data: Data, call: Call) => Promise<unknown>
  readonly expected: (place: Place, wrappers: number) => Expected
}

/** Names of the servers in the stage. */
export const REPLICA = 'nrt'
const PRIMARY = 'primary'

const base = { uses: [], isStreamed: false } as const

/** A handler that reads next door, everywhere. */
function reads(name: string, run: Case['run'], answer: unknown, more: Partial<Case> = {}): Case {
  return { ...base, name, method: 'GET', run, expected: () => ({ answer, isReplayed: false, notes: 0 }), ...more }
}

/** A handler that needs the primary: its own at home and outside a request, by a replay away from home. */
function writes(
  name: string,
  run: Case['run'],
  { answer, notes = 0, status = 200 }: Partial<Expected>,
  more: Partial<Case> = {},
): Case {
  const expected = (place: Place): Expected => ({ status, answer, notes, isReplayed: place === 'away' })
  return { ...base, name, method: 'POST', run, expected, ...more }
}

const UNIQUE_VIOLATION = {
  isDatabaseError: true,
  code: '23505',
  severity: 'ERROR',
  table: 'tag',
  constraint: 'tag_pkey',
  routine: '_bt_check_unique',
}

export const CASES: readonly Case[] = [
  reads('a read is answered next door', (data) => data.read(), REPLICA),
  reads('R1: raw SQL that reads, with comments and a parenthesis', (data) => data.readRaw(), REPLICA),
  reads('R1: a CTE that reads', (data) => data.readThroughCte(), REPLICA),
  reads('R3: a READ ONLY transaction', (data) => data.readOnlyTransaction(), [REPLICA, REPLICA]),
  reads(
    'a stream of rows into the response',
    async (data, call) => {
      for await (const who of data.stream()) await call.write(who)
    },
    [REPLICA, REPLICA, REPLICA],
    { uses: ['stream'], isStreamed: true },
  ),
  reads('R6: withReplica', (data) => withReplica(() => data.read()), REPLICA),
  reads(
    'R6: withReplica refuses a write',
    (data, { body }) =>
      withReplica(() => data.write(body)).then(
        () => 'written',
        (error: unknown) => codeOf(error),
      ),
    'HEADWATER_WRITE_ON_REPLICA',
  ),
  reads('a database error of a read, unchanged', (data) => describeError(data.divideByZero()), undefined, {
    expected: (_, wrappers) => ({
      answer: { isDatabaseError: true, code: '22012', severity: 'ERROR', routine: 'int4div', wrappers },
      isReplayed: false,
      notes: 0,
    }),
  }),
  reads('a database error of a read, thrown: no replay', (data) => data.divideByZero(), undefined, {
    expected: () => ({ status: 500, isReplayed: false, notes: 0 }),
  }),

  writes('P1: a write', (data, { body }) => data.write(body), { answer: PRIMARY, notes: 1 }),
  writes('P1: raw SQL that writes, with a comment and a parenthesis', (data, { body }) => data.writeRaw(body), {
    answer: PRIMARY,
    notes: 1,
  }),
  writes('R1: a CTE that writes', (data, { body }) => data.writingCte(body), { answer: PRIMARY, notes: 1 }),
  writes('R1: an update after a CTE that reads', (data) => data.cteBeforeUpdate(), { answer: PRIMARY }),
  writes('R1: FOR UPDATE', (data) => data.forUpdate(), { answer: PRIMARY }),
  writes('R1: FOR SHARE SKIP LOCKED', (data) => data.forShareSkipLocked(), { answer: PRIMARY }),
  writes('R1: nextval', (data) => data.nextval(), { answer: PRIMARY }),
  writes('R2: an advisory lock', (data) => data.advisoryLock(), { answer: PRIMARY }),
  writes('P2: a function that writes', (data, { body }) => data.callWriter(body), { notes: 1 }),
  writes('R3: a transaction that reads, then writes', (data, { body }) => data.transaction(body), {
    answer: [PRIMARY, PRIMARY],
    notes: 1,
  }),
  writes('R3: SERIALIZABLE', (data, { body }) => data.serializable(body), { answer: [PRIMARY, PRIMARY], notes: 1 }),
  writes('R3: savepoints, kept and undone', (data, { body }) => data.savepoints(body), { notes: 2 }),
  writes(
    'R3: a transaction that the app rolls back leaves nothing',
    (data, { body }) => data.rolledBack(body, new Error('the app changed its mind')),
    { status: 500, notes: 0 },
  ),
  writes(
    'R4: a read after a write, on one connection',
    (data, { body }) => data.connection(body),
    { answer: [REPLICA, PRIMARY, PRIMARY], notes: 1 },
    {
      uses: ['connection'],
      expected: (place) => ({
        // Replayed, the request runs at home from its start.
        answer: [REPLICA, PRIMARY, PRIMARY],
        isReplayed: place === 'away',
        notes: 1,
      }),
    },
  ),
  writes('R6: withPrimary', (data) => withPrimary(() => data.read()), { answer: PRIMARY }),
  writes(
    'R4, R9: a read after a write',
    async (data, { body }) => [await data.write(body), await data.read()],
    {
      notes: 1,
    },
    {
      expected: (place) => ({
        answer: [PRIMARY, PRIMARY],
        isReplayed: place === 'away',
        notes: 1,
      }),
    },
  ),
  writes('P3: an error that the handler swallows', (data, { body }) => data.write(body).catch(() => 'nothing'), {
    answer: PRIMARY,
    notes: 1,
  }),
  writes(
    'P3: an error that the handler wraps',
    (data, { body }) =>
      data.transaction(body).catch((error: unknown) => {
        throw Object.assign(new Error('query failed'), { driverError: error })
      }),
    { answer: [PRIMARY, PRIMARY], notes: 1 },
  ),
  writes(
    'P4: a write after the response has started',
    async (data, call) => {
      await call.write(await data.read())
      await call.write(await data.write(call.body).catch((error: unknown) => codeOf(error)))
    },
    {},
    {
      isStreamed: true,
      expected: (place) => ({
        answer: [REPLICA, place === 'away' ? 'HEADWATER_REPLAY_IMPOSSIBLE' : PRIMARY],
        isReplayed: false,
        notes: place === 'away' ? 0 : 1,
      }),
    },
  ),
  writes(
    'a database error of a write, unchanged',
    (data) => describeError(data.violateUnique()),
    {},
    {
      expected: (place, wrappers) => ({
        answer: { ...UNIQUE_VIOLATION, wrappers },
        isReplayed: place === 'away',
        notes: 0,
      }),
    },
  ),
  writes('a database error of a write, thrown', (data) => data.violateUnique(), { status: 500 }),
]

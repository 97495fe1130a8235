import {
  type Access,
  type AccessReason,
  classify,
  createTopology,
  type Decision,
  type Knowledge,
  type Routing,
  route,
  type Situation,
  type Statement,
} from '@headwater/core/internal'
import { behindPooler, type PoolerKind } from './behind-pooler.ts'
import { ACCESS_SENTENCES, DECISION_SENTENCES, ROUTE_WORDS } from './reasons.ts'

/** Where a statement is sent from. */
export type Place = 'home' | 'away in a request' | 'away outside a request'

/** What happens to it: the route, its reason, and both in words. */
export interface Outcome {
  readonly route: Decision['route']
  readonly reason: Decision['reason']
  readonly sentence: string
}

export interface PlacedRoute extends Outcome {
  readonly place: Place
  readonly routing: Routing
}

/** Everything there is to say about one text. */
export interface Explanation {
  readonly access: Access
  readonly reason: AccessReason
  readonly sentence: string
  /** The word or function that decided; `null` when none did. */
  readonly token: string | null
  /** Where it stands: an offset in UTF-16 units from 0, line and column from 1; `null` when there is none. */
  readonly position: { readonly offset: number; readonly line: number; readonly column: number } | null
  /** The functions that it calls and whose effect is not known. */
  readonly functions: readonly string[]
  /** How many statements the text holds. */
  readonly statements: number
  /** Something that the routes do not show, else `null`. */
  readonly note: string | null
  /** What it needs of its session behind the pooler that was asked about, else `null`. */
  readonly pooler: string | null
  readonly routes: readonly PlacedRoute[]
}

export const PLACES: readonly Place[] = ['home', 'away in a request', 'away outside a request']
export const ROUTINGS: readonly Routing[] = ['automatic', 'opt-in']

/**
 * Says what a text needs, why, and where it goes with each routing from each place: alone, outside of any transaction, with a
 * replica that can be reached, in a scope that has not written yet. Without `knowledge` it decides like a pool without a catalog.
 *
 * @example
 * explain('select * from orders where id = 1 for update').access // 'write'
 */
export function explain(sql: string, knowledge?: Knowledge, pooler?: PoolerKind): Explanation {
  const statement = classify(sql, knowledge)
  const hasCatalog = knowledge !== undefined
  const { access, reason, token, position, functions, count } = statement
  return {
    access,
    reason,
    sentence: ACCESS_SENTENCES[reason],
    token: token ?? null,
    position: position < 0 ? null : { offset: position, ...lineAndColumn(sql, position) },
    functions,
    statements: count,
    note: noteOn(statement),
    pooler: pooler === undefined ? null : behindPooler(statement, sql, pooler),
    routes: PLACES.flatMap((place) =>
      ROUTINGS.map((routing) => ({ place, routing, ...outcomeOf(statement, situationOf(place, routing, hasCatalog)) })),
    ),
  }
}

function outcomeOf(statement: Statement, situation: Situation): Outcome {
  const decision = route(statement, situation)
  const sentence = `${ROUTE_WORDS[decision.route]}: ${DECISION_SENTENCES[decision.reason]}`
  return { route: decision.route, reason: decision.reason, sentence }
}

function situationOf(place: Place, routing: Routing, hasCatalog: boolean): Situation {
  const region = place === 'home' ? 'home' : 'away'
  return {
    topology: createTopology({ region, primaryRegion: 'home', hasReplica: true }),
    routing,
    consistency: 'session',
    writesOutsideRequest: 'direct',
    scope: place === 'away outside a request' ? undefined : { kind: 'request', hasWritten: false, blocker: undefined },
    forced: undefined,
    transaction: { phase: 'none' },
    isPinned: false,
    isCatalogMissing: !hasCatalog,
    isCatalogOutdated: false,
    isReadOnlyForced: true,
    isOwnWriteUnplaced: false,
  }
}

function noteOn({ control, isTransactionLocal }: Statement): string | null {
  switch (control?.kind) {
    case 'begin':
      return 'On a leased client BEGIN is held back until the first statement; that statement and the modes of BEGIN decide where the transaction runs.'
    case undefined:
      return isTransactionLocal ? 'Inside a transaction it runs on that transaction’s node.' : null
    default:
      return 'Inside a transaction it runs on that transaction’s node.'
  }
}

function lineAndColumn(sql: string, offset: number): { readonly line: number; readonly column: number } {
  const before = sql.slice(0, offset)
  const lineStart = before.lastIndexOf('\n') + 1
  return { line: before.split('\n').length, column: offset - lineStart + 1 }
}

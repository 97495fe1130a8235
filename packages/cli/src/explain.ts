import {
  type Access,
  type AccessReason,
  classify,
  type Decision,
  type Knowledge,
  type Mode,
  route,
  type Situation,
  type Statement,
  topologyOf,
} from '@headwater/core/internal'
import { ACCESS_SENTENCES, DECISION_SENTENCES, ROUTE_WORDS } from './reasons.ts'

/** Where a statement may find itself. */
export type Place = 'home' | 'away in a request' | 'away outside a request'

/** What happens to it: the route, its reason, and both in words. */
export interface Outcome {
  readonly route: Decision['route']
  readonly reason: Decision['reason']
  readonly sentence: string
}

export interface PlacedRoute extends Outcome {
  readonly place: Place
  readonly mode: Mode
}

/** Everything there is to say about one text. */
export interface Explanation {
  readonly access: Access
  readonly because: AccessReason
  readonly sentence: string
  /** The word or function that decided; `null` when none did. */
  readonly token: string | null
  /** Where it stands: an offset in UTF-16 units from 0, line and column from 1; `null` when there is none. */
  readonly position: { readonly offset: number; readonly line: number; readonly column: number } | null
  /** What it calls and nobody can see into. */
  readonly functions: readonly string[]
  /** How many statements the text holds. */
  readonly statements: number
  /** Something that the routes do not show; `null` when there is nothing. */
  readonly note: string | null
  readonly routes: readonly PlacedRoute[]
}

export const PLACES: readonly Place[] = ['home', 'away in a request', 'away outside a request']
export const MODES: readonly Mode[] = ['safe', 'explicit', 'eventual']

/**
 * Says what a text needs, why, and where it goes in each mode from each place: alone, outside of any transaction, with a
 * replica that can be reached, in a scope that has not written yet. Without `knowledge`, as a pool without a catalog does.
 */
export function explain(sql: string, knowledge?: Knowledge): Explanation {
  const statement = classify(sql, knowledge)
  const hasCatalog = knowledge !== undefined
  const { access, because, token, position, functions, count } = statement
  return {
    access,
    because,
    sentence: ACCESS_SENTENCES[because],
    token: token ?? null,
    position: position < 0 ? null : { offset: position, ...lineAndColumn(sql, position) },
    functions,
    statements: count,
    note: noteOn(statement),
    routes: PLACES.flatMap((place) =>
      MODES.map((mode) => ({ place, mode, ...outcomeOf(statement, situationOf(place, mode, hasCatalog)) })),
    ),
  }
}

function outcomeOf(statement: Statement, situation: Situation): Outcome {
  const decision = route(statement, situation)
  const sentence = `${ROUTE_WORDS[decision.route]}: ${DECISION_SENTENCES[decision.reason]}`
  return { route: decision.route, reason: decision.reason, sentence }
}

function situationOf(place: Place, mode: Mode, hasCatalog: boolean): Situation {
  const region = place === 'home' ? 'home' : 'away'
  return {
    topology: topologyOf({ region, primaryRegion: 'home', hasReplica: true }),
    mode,
    consistency: mode === 'eventual' ? 'eventual' : 'session',
    outsideRequest: 'direct',
    scope: place === 'away outside a request' ? undefined : { kind: 'request', hasWritten: false, obstacle: undefined },
    forced: undefined,
    transaction: { phase: 'none' },
    isPinned: false,
    isCatalogMissing: !hasCatalog,
    isCatalogOutdated: false,
    isReadOnlyForced: true,
  }
}

function noteOn({ control, isTransactionLocal }: Statement): string | null {
  switch (control?.kind) {
    case 'begin':
      return 'On a leased client BEGIN is held back until the first statement, whose needs and whose modes decide where the transaction lives.'
    case undefined:
      return isTransactionLocal ? 'Inside a transaction it joins that transaction’s node.' : null
    default:
      return 'Inside a transaction it goes to that transaction’s node.'
  }
}

function lineAndColumn(sql: string, offset: number): { readonly line: number; readonly column: number } {
  const before = sql.slice(0, offset)
  const lineStart = before.lastIndexOf('\n') + 1
  return { line: before.split('\n').length, column: offset - lineStart + 1 }
}

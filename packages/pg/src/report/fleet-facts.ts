import type { ServerRole } from '@headwater/core/internal'
import type { ErrorInWords } from '../fleet/error-in-words.ts'
import type { Survey } from './survey.ts'

/** What is known of one server, as far as a report depends on it. */
export interface ServerFacts {
  /** `DATABASE_URL (db.ams.internal:5432)`. */
  readonly label: string
  /** `db.ams.internal:5432`. */
  readonly address: string
  readonly region: string | undefined
  readonly isConfiguredPrimary: boolean
  /** Whether its region is this process's, or it names none. */
  readonly isLocal: boolean
  /** Whether all connections to it lead to one server. */
  readonly isOneServer: boolean
  readonly isDirect: boolean
  /** Whether a pooler was found that the options do not speak of. */
  readonly isPoolerUnsaid: boolean
  /** Whether its pooler shares the sessions that the options say it keeps. */
  readonly isSharedAfterAll: boolean
  readonly refusesPosition: boolean
  /** The name of a statement that was slower prepared (S4). */
  readonly slowerPrepared: string | undefined
  /** Whether the pool asks it by itself who it is; a lone server and one behind a load balancer are not asked. */
  readonly isAsked: boolean
  /** By the election. */
  readonly role: ServerRole
  /** What its last session or answer said; `undefined` before the first. */
  readonly isStandby: boolean | undefined
  readonly timeline: number | undefined
  readonly cluster: bigint | undefined
  /** When it was started: no two servers are at the same microsecond. */
  readonly startedAt: string | undefined
  /** Whether it gave its last session or answer; `undefined` before the first. */
  readonly isReachable: boolean | undefined
  /** What went wrong last. */
  readonly problem: ErrorInWords | undefined
  readonly lagMillis: number | undefined
  readonly survey: Survey | undefined
  /** The limit of this pool's connections to it. */
  readonly max: number
  /** Whether as many again may be opened past its pooler. */
  readonly hasDirect: boolean
}

/** What is known of a fleet, as far as a report depends on it. */
export interface FleetFacts {
  readonly region: string | undefined
  readonly primaryRegion: string | undefined
  readonly isAtHome: boolean
  /** The server that takes the writes; `undefined` while there is none. */
  readonly primary: ServerFacts | undefined
  readonly timeline: number
  /** Whether every server has said what it is, or has failed to: until then a role may be a first guess. */
  readonly isComplete: boolean
  readonly servers: readonly ServerFacts[]
}

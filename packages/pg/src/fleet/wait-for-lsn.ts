import { formatLsn } from '@headwater/core/internal'
import type { ServerWait } from './watcher.ts'

/**
 * PostgreSQL 19's own wait for a replica to have replayed up to a position.
 *
 * It answers with one row: `success`, `timeout`, or `not in recovery` on a server that is, or meanwhile was made, a
 * primary. That one says `success` too, of a position that it had replayed before: the wait is blind to timelines, so the
 * sample behind it decides. A timeout of 0 would be none at all. It takes no parameters, may run in a session that is
 * read-only, and holds no snapshot, so it holds nothing up.
 *
 * Source: Postgres docs, "WAIT FOR"; run on 19rc1, 2026-11-25.
 */
export const WAIT_FOR_LSN: ServerWait = {
  waitsFrom: 19,
  text: (target, patienceMillis) =>
    `WAIT FOR LSN '${formatLsn(target)}' WITH (MODE 'standby_replay', TIMEOUT '${Math.max(1, patienceMillis)}ms', NO_THROW)`,
  read: (answer) => (answer === 'success' ? 'there' : answer === 'timeout' ? 'not-yet' : undefined),
}

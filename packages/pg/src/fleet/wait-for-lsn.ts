import { formatLsn } from '@headwater/core/internal'
import type { ServerWait } from './watch.ts'

/**
 * PostgreSQL 19's own wait until a replica has replayed a position.
 *
 * It answers with one row: `success`, `timeout`, or `not in recovery` on a primary, also on one that was promoted meanwhile.
 * A primary answers `success` too for a position that it had replayed before: the wait ignores timelines, so the sample after
 * it decides. A timeout of 0 means none. It takes no parameters, may run in a read-only session, and holds no snapshot,
 * so it delays no vacuum.
 *
 * Source: Postgres docs, "WAIT FOR"; run on 19rc1, 2026-11-25.
 */
export const WAIT_FOR_LSN: ServerWait = {
  waitsFrom: 19,
  text: (target, patienceMillis) =>
    `WAIT FOR LSN '${formatLsn(target)}' WITH (MODE 'standby_replay', TIMEOUT '${Math.max(1, patienceMillis)}ms', NO_THROW)`,
  read: (answer) => (answer === 'success' ? 'there' : answer === 'timeout' ? 'not-yet' : undefined),
}

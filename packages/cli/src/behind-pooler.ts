import { type Pooling, type SessionNeed, type Statement, sessionNeedOf } from '@headwater/core/internal'

/** What may stand in front of a server. A pooler that hands out a session for each statement is `pooler: 'transaction'` to the pool, and is found out. */
export type PoolerKind = Pooling | 'statement'

export const POOLER_KINDS: readonly PoolerKind[] = ['none', 'session', 'transaction', 'statement']

/** Says where a statement goes behind a pooler of this kind, and what it needs there (B2). */
export function behindPooler(statement: Statement, sql: string, kind: PoolerKind): string {
  switch (kind) {
    case 'none':
      return 'Each connection has a session of its own: it goes by the URL, whatever it needs.'
    case 'session':
      return `The pooler gives each connection a session of its own: it goes through the pooler, whatever it needs.${guardOf(statement)}`
    case 'statement':
      if (statement.control !== undefined || statement.isTransactionLocal) return NO_TRANSACTIONS
      return `${shared(statement, sql)}${guardOf(statement)}`
    case 'transaction':
      return `${shared(statement, sql)}${guardOf(statement)}`
  }
}

function shared(statement: Statement, sql: string): string {
  const { need, word } = sessionNeedOf(statement, sql)
  return NEEDS[need](word?.toUpperCase() ?? 'it')
}

const NEEDS: Readonly<Record<SessionNeed, (word: string) => string>> = {
  none: () =>
    'It needs no session of its own: it goes through the pooler. Under a name of the app’s it is sent without that, unless the pooler keeps ' +
    'named statements (PgBouncer from 1.21 on), which is found out.',
  better: () =>
    'It is a change of the schema: it goes to the direct URL where there is one (`direct`, DATABASE_DIRECT_URL), else through the pooler.',
  own: (word) =>
    `${word} needs a session of its own: it goes to the direct URL (\`direct\`, DATABASE_DIRECT_URL), and the client stays there. ` +
    'Without one it is refused with SessionUnavailable.',
  'own-outside': (word) =>
    `Inside a transaction it goes through the pooler. Outside one ${word} needs a session of its own: it goes to the direct URL ` +
    '(`direct`, DATABASE_DIRECT_URL), and without one it is refused with SessionUnavailable.',
}

const NO_TRANSACTIONS =
  'The pooler runs no transactions of several statements. The first one finds that out, and is refused with SessionUnavailable; those after it ' +
  'go to the direct URL (`direct`, DATABASE_DIRECT_URL), and without one are refused too.'

/** How what nobody can see into is kept from writing (X1). */
function guardOf({ access, count }: Statement): string {
  if (access !== 'unknown') return ''
  return count > 1
    ? ' Several statements in one text are not tried on a replica behind a pooler.'
    : ' Where it is tried on a replica, that is in BEGIN READ ONLY … COMMIT, in one round trip.'
}

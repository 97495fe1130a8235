import { type Pooling, type SessionNeed, type Statement, sessionNeedOf } from '@headwater/core/internal'

/** Says where a statement goes behind a pooler of this kind, and what it needs there (B2). */
export function behindPooler(statement: Statement, sql: string, pooling: Pooling): string {
  const guard = GUARDS[pooling](statement)
  if (pooling !== 'transaction') return `${KEEPS[pooling]}${guard}`
  const { need, word } = sessionNeedOf(statement, sql)
  return `${NEEDS[need](word?.toUpperCase() ?? 'it')}${guard}`
}

const KEEPS: Readonly<Record<Exclude<Pooling, 'transaction'>, string>> = {
  none: 'Each connection has a session of its own: it goes by the URL, whatever it needs.',
  session: 'The pooler gives each connection a session of its own: it goes through the pooler, whatever it needs.',
}

const NEEDS: Readonly<Record<SessionNeed, (word: string) => string>> = {
  none: () => 'It needs no session of its own: it goes through the pooler.',
  better: () =>
    'It is a change of the schema: it goes to the direct URL where there is one (`direct`, DATABASE_DIRECT_URL), else through the pooler.',
  own: (word) =>
    `${word} needs a session of its own: it goes to the direct URL (\`direct\`, DATABASE_DIRECT_URL), and the client stays there. ` +
    'Without one it is refused with SessionUnavailable.',
  'own-outside': (word) =>
    `Inside a transaction it goes through the pooler. Outside one ${word} needs a session of its own: it goes to the direct URL ` +
    '(`direct`, DATABASE_DIRECT_URL), and without one it is refused with SessionUnavailable.',
}

const TRIED = ' Where it is tried on a replica, that is in BEGIN READ ONLY … COMMIT, in one round trip.'

const GUARDS: Readonly<Record<Pooling, (statement: Statement) => string>> = {
  none: () => '',
  session: ({ access }) => (access === 'unknown' ? TRIED : ''),
  transaction: ({ access }) => (access === 'unknown' ? TRIED : ''),
}

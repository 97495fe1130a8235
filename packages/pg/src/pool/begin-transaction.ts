import { canOpen, Opening } from '../driver/opening.ts'
import { sendText } from '../driver/send.ts'
import { type CommitIdentity, sendAndIdentify, whenHistoryIsKnown } from '../fleet/commit-identity.ts'
import type { Connection } from '../node/pool-node.ts'

/** Gives an error, or what finds the transaction again where that is known by now. */
type Begun = (error?: unknown, identity?: CommitIdentity) => void

/**
 * The texts that begin a transaction, to go in one write with its first statement (S2); `undefined` when they must go before. `begun` is
 * called when it is open.
 */
export function openingOf(connection: Connection, texts: readonly string[], begun: () => void): Opening | undefined {
  if (!canOpen(texts)) return undefined
  const [begin = 'begin', ...others] = texts
  return new Opening(mustBeReadOnly(connection) ? [begin, READ_ONLY, ...others] : texts, begun)
}

const READ_ONLY = 'set transaction read only'

/** On a replica whose session is not forced read-only the transaction is (X1). */
function mustBeReadOnly({ role, client }: Connection): boolean {
  return role === 'replica' && !client.isForcedReadOnly
}

/**
 * Sends the texts that begin a transaction, one after the other, until one fails. In a transaction that is tracked and begins with
 * a write, its number comes with the last answer: no round trip more (X6). On a replica whose session is not forced read-only the
 * transaction is (X1).
 */
export function beginTransaction(
  connection: Connection,
  texts: readonly string[],
  isTracked: boolean,
  isWrite: boolean,
  begun: Begun,
): void {
  if (mustBeReadOnly(connection)) {
    const [begin = 'begin', ...others] = texts
    // On a line of its own: the app's text may end in a comment.
    return sendEach(connection, [`${begin}\n;${READ_ONLY}`, ...others], begun)
  }
  if (!isTracked) return sendEach(connection, texts, begun)
  const { client } = connection
  whenHistoryIsKnown(client, () => {
    if (!isWrite) return sendEach(connection, texts, begun)
    sendEach(connection, texts.slice(0, -1), (error) => {
      if (error) begun(error)
      else sendAndIdentify(client, texts.at(-1) ?? 'begin', begun)
    })
  })
}

function sendEach(connection: Connection, texts: readonly string[], done: (error?: unknown) => void, index = 0): void {
  const text = texts[index]
  if (text === undefined) return done()
  sendText(connection.client, text, (error) => (error ? done(error) : sendEach(connection, texts, done, index + 1)))
}

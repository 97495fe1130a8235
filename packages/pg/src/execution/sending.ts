import { databaseErrorIn, type Position } from '@headwater/core/internal'
import type { Submittable } from 'pg'
import { boundHere } from '../driver/bound-here.ts'
import { isStatementLost } from '../driver/named-statement.ts'
import type { Opening } from '../driver/opening.ts'
import { isNeverSent, isReadTimeout, isServerError, isTransactionRefusal } from '../driver/pg-errors.ts'
import { submittableInternalsOf } from '../driver/pg-internals.ts'
import { sendStatement } from '../driver/prepare/send-statement.ts'
import type { QueryCall } from '../driver/query-call.ts'
import { sendQuery, sendText } from '../driver/send.ts'
import { rollBack, sendGuarded } from '../driver/send-guarded.ts'
import type { Settle } from '../driver/settle.ts'
import { isAbandoned, sendSubmittable } from '../driver/submittable.ts'
import { SERVER_SAMPLE } from '../fleet/server-sample.ts'
import type { Connection } from '../node/pool-node.ts'
import type { Reads } from '../reads/reads.ts'
import type { Answers } from './answers.ts'
import type { Connecting } from './connecting.ts'
import type { Losses } from './losses.ts'
import { orUnnamed, whenNameIsSettled } from './named-statements.ts'
import type { Outcomes } from './outcomes.ts'
import { traceServer } from './query-trace.ts'
import type { RoutedQuery } from './routed-query.ts'
import { mayAskBehind, mayBringPosition, sendAskingBehind, sendWithPosition } from './send-with-position.ts'
import { mayMissCommits, whenCommitsShow } from './unshown-commits.ts'

/** Sends a query on its connection, in the form that it needs there. */
export class Sending {
  readonly #reads: Reads
  readonly #outcomes: Outcomes
  readonly #losses: Losses
  readonly #connecting: Connecting
  readonly #answers: Answers

  constructor(reads: Reads, outcomes: Outcomes, losses: Losses, connecting: Connecting, answers: Answers) {
    this.#reads = reads
    this.#outcomes = outcomes
    this.#losses = losses
    this.#connecting = connecting
    this.#answers = answers
  }

  /** Sends what must go before it or with it (a held BEGIN), and the query. */
  begin(query: RoutedQuery, connection: Connection): void {
    const { holder } = query
    if (query.trace !== undefined) traceServer(query, connection, query.trace)
    holder.use(connection, query)
    if (!mayMissCommits(query, connection)) return this.#open(query, connection)
    whenCommitsShow(connection.client, () => {
      query.frame?.scope?.session.shownAtPrimary()
      this.#open(query, connection)
    })
  }

  #open(query: RoutedQuery, connection: Connection): void {
    const { holder } = query
    if (holder.transaction.phase !== 'held') return this.#sendNext(query, connection)
    const opening = query.takesOpening(connection.client)
      ? holder.opening(connection, () => {
          query.sentIn = 'open'
        })
      : undefined
    if (opening === undefined) this.#sendBehindBegin(query, connection)
    else this.#sendWithBegin(query, connection, opening)
  }

  #sendBehindBegin(query: RoutedQuery, connection: Connection): void {
    query.holder.begin(connection, (error) => {
      if (error) this.#answers.take(query, connection, error)
      else this.#send(query, connection)
    })
  }

  /** Sends the first statement of a transaction in one write with what begins that (S2). */
  #sendWithBegin(query: RoutedQuery, connection: Connection, opening: Opening): void {
    const { call, statement } = query
    query.sentIn = 'held'
    let isAnswered = false
    const answered = (error: unknown, result?: unknown): void => {
      if (isAnswered) return
      isAnswered = true
      if (error && !opening.hasBegun) this.#notBegun(query, connection, opening, error)
      else this.#answers.take(query, connection, error, result)
    }
    sendStatement(connection.client, call, statement, answered, opening)
  }

  /** An error came before the server has said that the transaction is open. */
  #notBegun(query: RoutedQuery, connection: Connection, opening: Opening, error: unknown): void {
    const { client, role } = connection
    const { holder } = query
    // It is still running, and what follows runs behind it.
    if (opening.wasSent && isReadTimeout(error)) opening.assumeBegun()
    else if (opening.wasSent && !client.isSettled) {
      return client.whenSettled(boundHere(() => this.#notBegun(query, connection, opening, error)))
    }
    if (opening.hasBegun) return this.#answers.take(query, connection, error)
    query.sentIn = opening.wasSent ? 'held' : undefined
    if (opening.isOneText && client.sessionStatus === 'I' && isServerError(error) && !isCancelled(error)) {
      // No answer means that nothing of the text has run. In turn, each statement gets the error that is its own.
      query.sentIn = undefined
      return this.#sendBehindBegin(query, connection)
    }
    // As for any transaction whose connection is lost (X11). A replica's has given nothing yet, and begins elsewhere (X2).
    if (opening.wasSent && client.isLost && role === 'primary' && !isNeverSent(error)) opening.assumeBegun()
    else if (opening.wasSent) holder.cannotBegin(error)
    this.#answers.take(query, connection, error)
  }

  #sendNext(query: RoutedQuery, connection: Connection): void {
    const { holder, statement } = query
    const { control } = statement
    if (!holder.isWriting || (control?.kind !== 'commit' && control?.kind !== 'two-phase')) {
      return this.#send(query, connection)
    }
    holder.identify(connection, (error) => {
      if (error) this.#answers.take(query, connection, error)
      else this.#send(query, connection)
    })
  }

  #send(query: RoutedQuery, connection: Connection): void {
    const { call, holder } = query
    const { client } = connection
    if (isAbandoned(call)) return this.#answers.end(query, connection)
    query.sentIn = holder.transaction.phase
    let isAnswered = false
    const answered = (error: unknown, result?: unknown, position?: Position): void => {
      if (isAnswered) return
      isAnswered = true
      this.#answers.take(query, connection, error, result, position)
    }
    if (connection.role === 'replica' && query.mustBeGuarded(client)) {
      return this.#sendGuarded(query, connection, (error, own) => answered(error, own))
    }
    if (call.submittable !== undefined) {
      this.#sendSubmittable(query, connection, call.submittable, () => this.#answers.end(query, connection))
    } else if (holder.isWriting && mayBringPosition(query, connection)) {
      sendWithPosition(query, connection, answered)
    } else if (mayAskBehind(query, connection)) {
      const send = (own: Settle): void => sendStatement(client, call, query.statement, own)
      sendAskingBehind(query, connection, send, answered)
    } else if (connection.node.traits.pooling === 'none' || typeof call.config === 'string') {
      sendStatement(client, call, query.statement, answered)
    } else {
      const isInTransaction = client.sessionStatus !== 'I'
      whenNameIsSettled(call, connection, isInTransaction, (settled) => {
        const again = (unnamed: QueryCall): void => sendStatement(client, unnamed, query.statement, answered)
        const own = isInTransaction ? answered : orUnnamed(settled, connection, answered, again)
        sendStatement(client, settled, query.statement, own)
      })
    }
  }

  #sendSubmittable(query: RoutedQuery, connection: Connection, submittable: Submittable, ended: () => void): void {
    const { call, holder } = query
    const { client } = connection
    sendSubmittable(client, submittable, (error) => {
      if (isStatementLost(call, error)) connection.mustClose = true
      const told = this.#losses.errorOf(query, connection, error)
      return holder.isLost ? told : this.#outcomes.errorInPlace(query, connection, told)
    })
    client.whenSettled(ended)
  }

  /** Sends what could write, or must show how far its server is, behind a pooler: in a transaction that cannot write (X1). */
  #sendGuarded(query: RoutedQuery, connection: Connection, answered: Settle): void {
    const { call, requirement } = query
    const { client } = connection
    if (query.isOnePacket(client)) {
      const question = requirement === undefined ? undefined : SERVER_SAMPLE
      const sentAt = performance.now()
      return sendGuarded(client, call, question, (error, result, answer) => {
        if (isTransactionRefusal(error)) connection.node.endpoint.find({ takesTransactions: false })
        const why =
          error || requirement === undefined ? undefined : this.#reads.whyStaleBy(query, connection, answer, sentAt)
        if (why === undefined) return answered(error, result)
        // What it read is older than what its client has seen.
        query.holder.answered(connection)
        query.holder.giveUp(connection)
        this.#connecting.toReplica(query, query.hasTriedFar ? 'far' : 'next-door', undefined, why)
      })
    }
    sendText(client, 'BEGIN READ ONLY', (error) => {
      if (isTransactionRefusal(error)) connection.node.endpoint.find({ takesTransactions: false })
      if (error && call.submittable === undefined) return answered(error)
      if (error) {
        submittableInternalsOf(call.submittable as Submittable).handleError?.(error, client.connection)
        return client.whenSettled(() => this.#answers.end(query, connection))
      }
      if (call.submittable !== undefined) {
        const ended = (): void => rollBack(client, () => this.#answers.end(query, connection))
        return this.#sendSubmittable(query, connection, call.submittable, ended)
      }
      sendQuery(client, call, (failure, result) => rollBack(client, () => answered(failure, result)))
    })
  }
}

function isCancelled(error: unknown): boolean {
  return databaseErrorIn(error)?.code === '57014'
}

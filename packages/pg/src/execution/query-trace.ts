import { diagnostics, type QueryEvent } from '@headwater/core'
import type { Decision, Frame } from '@headwater/core/internal'
import type { Connection } from '../node/pool-node.ts'
import type { QueryTrace, RoutedQuery } from './routed-query.ts'

/** Whether somebody wants to know who answers: a subscriber, or the scope. */
export function isTraced(frame: Frame | undefined): boolean {
  return diagnostics.query.hasSubscribers || frame?.scope?.trail !== undefined
}

/** Notes the decision that a query follows from now on; the first one starts its wait. */
export function traceDecision(query: RoutedQuery, decision: Decision): void {
  if (query.trace === undefined) query.trace = { decision, since: performance.now() }
  else query.trace.decision = decision
}

/** Tells that a query is sent now, and to whom. */
export function traceServer({ frame }: RoutedQuery, { node: { name, region } }: Connection, trace: QueryTrace): void {
  const now = performance.now()
  const event = {
    server: name,
    region,
    decision: trace.decision,
    waited: now - trace.since,
    scope: frame?.scope?.number,
  }
  // The time that a server took before it failed is no wait for the next one.
  trace.since = now
  frame?.scope?.trail?.add(event)
  if (diagnostics.query.hasSubscribers) diagnostics.query.publish(event satisfies QueryEvent)
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import { factsOf } from '../request/node-request.ts'
import type { HealthChecks } from './health-checks.ts'

/** Answers a health check on Node's own response; `undefined` when this request is none. The promise never rejects. */
export function answerOnNode(
  checks: HealthChecks,
  request: IncomingMessage,
  response: ServerResponse,
  url: string,
): Promise<void> | undefined {
  const facts = factsOf(request, url)
  if (!checks.isFor(facts)) return undefined
  return checks.answer(facts).then(({ status, headers, body }) => {
    response.writeHead(status, { ...headers })
    response.end(request.method === 'HEAD' ? undefined : body)
  })
}

import { describe } from 'vitest'
import type { HttpAdapter } from './app-under-test.ts'
import { testEarlyReplays } from './early-replay-suite.ts'
import { testAsFlyRuby } from './fly-ruby-suite.ts'
import { testRefusals } from './refusal-suite.ts'
import { testReplays } from './replay-suite.ts'
import { testRequests } from './request-suite.ts'
import { testServerTiming } from './timing-suite.ts'
import { testTokensOfResponses } from './token-response-suite.ts'
import { testTokens } from './token-suite.ts'
import { testTokensOfUsers } from './user-token-suite.ts'

/**
 * Describes the conformance suite for one adapter: what a client gets over real HTTP, on 127.0.0.1. Call it at the top of
 * a vitest file. It needs no database.
 *
 * @example
 * describeHttpAdapter('my framework', {
 *   start: (app) => serveApp(app, buildApp(app)), // builds an app with your middleware, from `app.options` and `app.routes`
 * })
 */
export function describeHttpAdapter(name: string, adapter: HttpAdapter): void {
  describe(name, () => {
    testRequests(adapter)
    testReplays(adapter)
    testEarlyReplays(adapter)
    testRefusals(adapter)
    testServerTiming(adapter)
    testAsFlyRuby(adapter)
    describe('tokens', () => {
      testTokens(adapter)
      testTokensOfResponses(adapter)
      testTokensOfUsers(adapter)
    })
  })
}

/**
 * The conformance suite that every HTTP adapter passes, for vitest.
 *
 * @module
 */
export {
  type AppUnderTest,
  describeError,
  type HttpAdapter,
  type Outcome,
  type RouteUnderTest,
  type RunningApp,
} from './testing/app-under-test.ts'
export { describeHttpAdapter } from './testing/describe-http-adapter.ts'
export { serveApp } from './testing/server.ts'

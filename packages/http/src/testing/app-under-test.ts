import type { Readable } from 'node:stream'
import type { HeadwaterOptions } from '../options.ts'

/** What a handler answers, in no framework's words. The adapter under test makes a response of it. */
export type Outcome =
  /** A body, sent as JSON; the status is 200 unless given. */
  | { readonly status?: number; readonly json: unknown; readonly headers?: Readonly<Record<string, string>> }
  /** A body that the handler writes piece by piece, as soon as each piece comes. */
  | { readonly chunks: () => AsyncGenerator<string> }
  /** A redirect with status 302 and an empty body. */
  | { readonly redirect: string }
  /** A status that has no body. */
  | { readonly empty: 204 | 304 }
  /** A stream that is piped into the response. */
  | { readonly stream: Readable }

/** One route of the app. HEAD runs the handler of GET. */
export interface RouteUnderTest {
  readonly method: 'GET' | 'POST'
  readonly path: string
  /** `body` is what the body parser made of the request. An error that it rejects with goes the framework's usual way. */
  readonly handle: (body: unknown) => Promise<Outcome>
}

/** The app that an adapter has to build for one test. */
export interface AppUnderTest {
  /** For the middleware under test. */
  readonly options: HeadwaterOptions
  readonly routes: readonly RouteUnderTest[]
  /**
   * Where JSON bodies are parsed: in a middleware before the one under test, in one after it, or nowhere. Bodies have 3 MB
   * at most.
   *
   * @default undefined (nowhere)
   */
  readonly parsesBody?: 'before' | 'after'
  /**
   * Whether an error handler of the app answers every error with status 418, a cookie of its own, and `describeError(error)`
   * as JSON. Otherwise the framework's own handler answers, with the `status` and `headers` of the error.
   *
   * @default false
   */
  readonly catchesErrors?: boolean
  /** Whether the app ends TLS itself; `serveApp()` sees to it. */
  readonly isTls?: boolean
}

/** An app that listens on 127.0.0.1; disposing it closes the server and every connection. */
export interface RunningApp extends AsyncDisposable {
  readonly port: number
}

/** One framework with its adapter, as the conformance suite needs it. */
export interface HttpAdapter {
  /** Builds the app and starts it on a free port; see `serveApp()`. */
  readonly start: (app: AppUnderTest) => Promise<RunningApp>
  /**
   * Whether the framework gives its error handlers nothing but instances of `Error` (Hono).
   *
   * @default false
   */
  readonly handlesOnlyErrors?: boolean
}

/** What the app's own error handler answers: the name of the error. */
export function describeError(error: unknown): { caught: string } {
  return { caught: error instanceof Error ? error.name : String(error) }
}

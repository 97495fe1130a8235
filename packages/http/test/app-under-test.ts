import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Readable } from 'node:stream'
import type { HeadwaterOptions } from '@headwater/http'

/** What a handler answers, in no framework's words. */
export type Outcome =
  | { readonly status?: number; readonly json: unknown; readonly headers?: Readonly<Record<string, string>> }
  | { readonly chunks: () => AsyncGenerator<string> }
  | { readonly redirect: string }
  /** A status that has no body. */
  | { readonly empty: 204 | 304 }
  | { readonly stream: Readable }

export interface RouteUnderTest {
  readonly method: 'GET' | 'POST'
  readonly path: string
  /** `body` is what the body parser made of the request. */
  readonly handle: (body: unknown) => Promise<Outcome>
}

export interface AppUnderTest {
  readonly options: HeadwaterOptions
  readonly routes: readonly RouteUnderTest[]
  /** Where JSON bodies are parsed: in a middleware before ours, after ours, or (default) nowhere. */
  readonly parsesBody?: 'before' | 'after'
  /** Whether an error handler of the app answers every error with 418, a cookie and the error's name. */
  readonly catchesErrors?: boolean
  /** Whether the app ends TLS itself; send with `isTls` as well. */
  readonly isTls?: boolean
}

const KEY = Buffer.from('the key that both sides have')
/** TLS with a key that both sides have: a real handshake, and no certificate that could expire. */
export const SHARED_KEY = {
  ciphers: 'PSK',
  maxVersion: 'TLSv1.2',
  pskCallback: () => KEY,
} as const
export const SHARED_KEY_OF_CLIENT = {
  ...SHARED_KEY,
  pskCallback: () => ({ psk: KEY, identity: 'test' }),
  // There is no certificate that could name anybody.
  checkServerIdentity: () => undefined,
} as const

/** The server that an app asks for, not listening. */
export function serverOf({ isTls = false }: AppUnderTest, handler: RequestListener): Server {
  return isTls ? createTlsServer(SHARED_KEY, handler) : createServer(handler)
}

/** An app that listens on 127.0.0.1. */
export interface RunningApp extends AsyncDisposable {
  readonly port: number
}

/** One framework, as the conformance suite needs it. */
export interface HttpAdapter {
  readonly start: (app: AppUnderTest) => Promise<RunningApp>
}

/** Listens on a free port; disposing closes the server and every connection. */
export async function listen(server: Server): Promise<RunningApp> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

/** What the app's own error handler says: the name of the error, or of what it wraps. */
export function describeError(error: unknown): { caught: string } {
  return { caught: error instanceof Error ? error.name : String(error) }
}

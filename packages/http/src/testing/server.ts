import { createServer, type RequestListener, type Server } from 'node:http'
import { Agent, createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { AppUnderTest, RunningApp } from './app-under-test.ts'

const KEY = Buffer.from('the key that both sides have')
/** TLS with a key that both sides have: a real handshake, and no certificate that could expire. */
const SHARED_KEY = {
  ciphers: 'PSK',
  maxVersion: 'TLSv1.2',
  pskCallback: () => KEY,
} as const

/** The agent of a client that has the key. */
export function sharedKeyAgent(): Agent {
  return new Agent({
    ...SHARED_KEY,
    pskCallback: () => ({ psk: KEY, identity: 'test' }),
    // There is no certificate that could name anybody.
    checkServerIdentity: () => undefined,
  })
}

/**
 * Serves an app on a free port of 127.0.0.1, over TLS where the test asks for it.
 *
 * @example const start = (app: AppUnderTest) => serveApp(app, buildApp(app).callback())
 */
export function serveApp({ isTls = false }: AppUnderTest, handler: RequestListener): Promise<RunningApp> {
  return listen(isTls ? createTlsServer(SHARED_KEY, handler) : createServer(handler))
}

/** Listens on a free port of 127.0.0.1; disposing closes the server and every connection. */
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

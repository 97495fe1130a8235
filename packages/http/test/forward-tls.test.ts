import { execFileSync, spawnSync } from 'node:child_process'
import dns from 'node:dns'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, request, type Server } from 'node:http'
import { createServer as createTlsServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import { type ForwardOptions, forward } from '@headwater/http'
import { createLifecycle, openNodeRequest } from '@headwater/http/adapter'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { away, SECRET, write } from '../src/testing/data-layer.ts'

const hasOpenssl = spawnSync('openssl', ['version']).status === 0
if (!hasOpenssl) console.log('TLS of forward() is not tested: there is no openssl on this machine')

const folder = mkdtempSync(join(tmpdir(), 'headwater-tls-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Certificate {
  readonly cert: Buffer
  readonly key: Buffer
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
const fileOf = (name: string): Buffer => readFileSync(join(folder, name))

function makeAuthority(): Buffer {
  openssl('req', '-x509', ...NEW_KEY, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '2', '-subj', '/CN=our regions')
  return fileOf('ca.crt')
}

/** A certificate of our authority for one name. */
function certify(name: string): Certificate {
  writeFileSync(join(folder, `${name}.names`), `subjectAltName=DNS:${name}\n`)
  openssl('req', ...NEW_KEY, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`)
  const by = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', `${name}.names`]
  openssl('x509', '-req', '-in', `${name}.csr`, ...by, '-out', `${name}.crt`)
  return { cert: fileOf(`${name}.crt`), key: fileOf(`${name}.key`) }
}

const opened: Server[] = []
afterEach(async () => {
  vi.restoreAllMocks()
  for (const server of opened.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})

async function listen(server: Server): Promise<number> {
  opened.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** The app of the primary's region; `seen` is what came to it. */
async function far(options?: ServerOptions): Promise<{ port: number; seen: IncomingMessage[] }> {
  const seen: IncomingMessage[] = []
  const app = (message: IncomingMessage, response: { end: (text: string) => unknown }): void => {
    seen.push(message)
    message.resume()
    message.once('end', () => response.end('written there'))
  }
  return { port: await listen(options === undefined ? createServer(app) : createTlsServer(options, app)), seen }
}

function tlsSocketOf(message: IncomingMessage | undefined): TLSSocket {
  if (message?.socket instanceof TLSSocket) return message.socket
  throw new Error('the request did not come over TLS')
}

/** An app in another region, which writes. */
function near(options: ForwardOptions): Promise<number> {
  const lifecycle = createLifecycle({ pool: { topology: away }, secret: SECRET, replayTarget: forward(options) })
  return listen(
    createServer((incoming, response) => {
      const life = openNodeRequest(lifecycle, incoming, response)
      const handle = async (): Promise<void> => void response.end(await write(away))
      life?.run(handle).catch((error) => response.writeHead(error.status ?? 500).end())
    }),
  )
}

async function send(port: number): Promise<number> {
  const outgoing = request({ host: '127.0.0.1', port, method: 'POST', agent: false, headers: { host: 'app.example' } })
  outgoing.end('a note')
  const [answer] = await once(outgoing, 'response')
  answer.resume()
  return answer.statusCode
}

/** DNS that knows one name, here. Everything else goes on to the system's. */
function knowName(name: string): string[] {
  const asked: string[] = []
  const { lookup } = dns
  vi.spyOn(dns, 'lookup').mockImplementation(((hostname: string, ...rest: unknown[]) => {
    if (!hostname.endsWith('.internal')) return Reflect.apply(lookup, dns, [hostname, ...rest])
    asked.push(hostname)
    const [options, done] = [rest[0], rest.at(-1)] as [{ all?: boolean }, (...answer: unknown[]) => void]
    const isKnown = hostname === name
    const failure = isKnown ? null : Object.assign(new Error('no such name'), { code: 'ENOTFOUND' })
    const found = options.all === true ? [[{ address: '127.0.0.1', family: 4 }]] : ['127.0.0.1', 4]
    process.nextTick(() => done(failure, ...(isKnown ? found : [])))
  }) as typeof lookup)
  return asked
}

test('P9: one address with {region} for all is looked up as the name of the primary’s region', async () => {
  const asked = knowName('app.ams.internal')
  const { port, seen } = await far()
  const here = await near({ regions: `http://app.{region}.internal:${port}`, host: 'region' })
  expect(await send(here)).toBe(200)
  expect(asked).toEqual(['app.ams.internal'])
  expect(seen.map(({ headers }) => [headers.host, headers['x-forwarded-host']])).toEqual([
    [`app.ams.internal:${port}`, 'app.example'],
  ])
})

test('P8: a region whose name DNS does not know is one that cannot be reached: 503', async () => {
  const asked = knowName('app.fra.internal')
  const { port, seen } = await far()
  expect(await send(await near({ regions: `http://app.{region}.internal:${port}` }))).toBe(503)
  expect([asked, seen]).toEqual([['app.ams.internal'], []])
})

describe.skipIf(!hasOpenssl)('forward() over TLS', () => {
  const names = { server: 'app.ams.internal', client: 'nrt.internal' }
  let ca: Buffer
  let server: Certificate
  let client: Certificate
  beforeAll(() => {
    ca = makeAuthority()
    server = certify(names.server)
    client = certify(names.client)
  }, 60_000)

  test('P9: a write goes to a region whose certificate our authority has made, on one connection', async () => {
    knowName(names.server)
    const { port, seen } = await far(server)
    const here = await near({ regions: `https://app.{region}.internal:${port}`, tls: { ca } })
    expect([await send(here), await send(here)]).toEqual([200, 200])
    expect(seen.map(({ headers }) => headers.host)).toEqual(['app.example', 'app.example'])
    expect(new Set(seen.map(({ socket }) => socket)).size).toBe(1)
    expect(tlsSocketOf(seen[0]).encrypted).toBe(true)
  })

  test('P9: an authority that nobody here trusts gets nothing: 503', async () => {
    knowName(names.server)
    const { port, seen } = await far(server)
    expect(await send(await near({ regions: `https://app.{region}.internal:${port}` }))).toBe(503)
    expect(seen).toEqual([])
  })

  test('P9: a certificate of another name gets nothing: 503; `servername` says which name it has', async () => {
    const { port, seen } = await far(server)
    const regions = { ams: `https://127.0.0.1:${port}` }
    expect(await send(await near({ regions, tls: { ca } }))).toBe(503)
    expect(await send(await near({ regions, tls: { ca, servername: 'app.fra.internal' } }))).toBe(503)
    expect(seen).toEqual([])
    expect(await send(await near({ regions, tls: { ca, servername: names.server } }))).toBe(200)
    expect(seen).toHaveLength(1)
  })

  test('P9: with mTLS the app there sees who sends on, and nobody else gets in', async () => {
    const { port, seen } = await far({ ...server, ca, requestCert: true, rejectUnauthorized: true })
    const regions = { ams: `https://127.0.0.1:${port}` }
    const tls = { ca, servername: names.server }
    expect(await send(await near({ regions, tls: { ...tls, ...client } }))).toBe(200)
    expect(tlsSocketOf(seen[0]).getPeerCertificate().subject.CN).toBe(names.client)
    // TLS 1.3 refuses it behind the handshake, when the request may be on its way.
    expect([502, 503]).toContain(await send(await near({ regions, tls })))
    expect(seen).toHaveLength(1)
  })
})

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'

/** A request as the app of the primary's region has it. Header names are in lower case. */
export interface Got {
  readonly method: string
  readonly url: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
  readonly trailers: readonly string[]
}

type Deed = (got: Got, response: ServerResponse) => void

/** The length that answers without a body name. */
export const NAMED_LENGTH = 1234
/** A file name in Chinese, as its UTF-8 bytes look in latin1. */
export const FILE_NAME: string = Buffer.from('中é.pdf').toString('latin1')
export const COOKIES: readonly string[] = Array.from({ length: 50 }, (_, at) => `c${at}=${'v'.repeat(500)}`)

/** What that app can do, by the header `x-do` of a request. */
const DEEDS = {
  echo: (got, response) => void response.end(`${got.method} ${got.body.length}`),
  '204': (_, response) => void response.writeHead(204).end(),
  '304': (_, response) => void response.writeHead(304, { etag: '"a"' }).end(),
  '304 with a length': (_, response) =>
    void response.writeHead(304, { etag: '"a"', 'content-length': NAMED_LENGTH }).end(),
  length: ({ method }, response) =>
    void response
      .writeHead(200, { 'content-length': NAMED_LENGTH })
      .end(method === 'HEAD' ? undefined : 'x'.repeat(NAMED_LENGTH)),
  'no length': ({ method }, response) => {
    response.writeHead(200)
    if (method !== 'HEAD') response.write('a part')
    response.end()
  },
  close: (_, response) => void response.writeHead(200, { connection: 'close' }).end('closed'),
  'end with the connection': (_, response) => {
    response.useChunkedEncodingByDefault = false
    response.writeHead(200, { connection: 'close' })
    response.write('until the ')
    response.end('end')
  },
  cookies: (_, response) => void response.writeHead(200, { 'set-cookie': [...COOKIES] }).end('cookies'),
  latin1: (_, response) => {
    response.writeHead(200, { 'x-latin1': 'café ÿ', 'content-disposition': `attachment; filename="${FILE_NAME}"` })
    // In two parts: Node would send the head of one with a text in UTF-8.
    response.write(Buffer.from('lat'))
    response.end('in1')
  },
  repeat: (_, response) => {
    const [first, second] = ['X-Twice', 'Set-Cookie']
    response.writeHead(200, [first, 'one', second, 'a=1', first, 'two', second, 'a=2'])
    response.end('twice')
  },
  cacheable: (_, response) => void response.writeHead(200, { 'cache-control': 'max-age=60' }).end('cacheable'),
  hint: (_, response) => {
    const link = ['</a.css>; rel=preload; as=style', '</b.js>; rel=preload; as=script']
    response.writeEarlyHints({ link, 'x-hint': 'yes' }, () => response.end('hinted'))
  },
  trailers: (_, response) => {
    response.writeHead(200, { trailer: 'x-sum' })
    response.write('body')
    response.addTrailers({ 'x-sum': '42' })
    response.end()
  },
  'refuse unread': (_, response) => void response.writeHead(403, { 'content-length': 4 }).end('none'),
} as const satisfies Readonly<Record<string, Deed>>

export type DeedName = keyof typeof DEEDS
const deedOf = (name: unknown): Deed | undefined => new Map<unknown, Deed>(Object.entries(DEEDS)).get(name ?? 'echo')

/** The app of the primary's region, which tells what it got since it was asked last. */
export function farApp(): { readonly server: Server; readonly take: () => Got[] } {
  const got: Got[] = []
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy())
  })
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const deed = request.headers['x-do']
    const body = deed === 'refuse unread' ? '' : await textOf(request)
    const headers = pairsOf(request.rawHeaders).map(([name, value]) => [name.toLowerCase(), value] as const)
    const one = { method: request.method ?? '', url: request.url ?? '', headers, body, trailers: request.rawTrailers }
    got.push(one)
    deedOf(deed)?.(one, response)
  }
  return { server, take: () => got.splice(0) }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString('latin1')
}

function pairsOf(raw: readonly string[]): [string, string][] {
  return Array.from({ length: raw.length >> 1 }, (_, at) => [raw[2 * at] ?? '', raw[2 * at + 1] ?? ''])
}

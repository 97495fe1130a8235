import { connect } from 'node:net'

/** One answer as it was on the wire. Header names are in lower case. */
export interface Heard {
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
  readonly trailers: string
  /** How the end of the body was told. */
  readonly framing: 'length' | 'chunked' | 'close' | 'none'
}

/** All that came on one connection. */
export interface Conversation {
  /** 1xx answers and final ones, in order. */
  readonly answers: readonly Heard[]
  /** What follows the last answer and belongs to none; or what is wrong with the bytes. */
  readonly rest: string
  readonly hasHung: boolean
}

const PATIENCE_MILLIS = 8_000

/**
 * Sends bytes (latin1) on one connection, and reads until the other side ends it. `methods` are those of the requests in the bytes. The last
 * one should say `Connection: close`, or this waits.
 */
export async function converse(
  port: number,
  bytes: string,
  methods: readonly string[],
  host = '127.0.0.1',
): Promise<Conversation> {
  const chunks: Buffer[] = []
  const hasHung = await new Promise<boolean>((resolve) => {
    const socket = connect(port, host)
    const timer = setTimeout(() => {
      socket.destroy()
      resolve(true)
    }, PATIENCE_MILLIS)
    // An answer may be there although the rest of the request found nobody.
    socket.on('error', () => {})
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(false)
    })
    socket.write(bytes, 'latin1')
  })
  return { ...parse(Buffer.concat(chunks).toString('latin1'), methods), hasHung }
}

function parse(all: string, methods: readonly string[]): Pick<Conversation, 'answers' | 'rest'> {
  const answers: Heard[] = []
  let rest = all
  let finals = 0
  while (rest !== '') {
    const end = rest.indexOf('\r\n\r\n')
    const [line = '', ...lines] = rest.slice(0, Math.max(end, 0)).split('\r\n')
    const status = Number(/^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(line)?.[1] ?? Number.NaN)
    if (end === -1 || Number.isNaN(status)) break
    const headers = lines.map((one) => {
      const at = one.indexOf(':')
      return [one.slice(0, at).toLowerCase(), one.slice(at + 1).trim()] as const
    })
    rest = rest.slice(end + 4)
    const isFinal = status >= 200 || status === 101
    const method = methods[finals] ?? 'GET'
    if (isFinal) finals += 1
    const [read, left] = isFinal ? readBody(rest, status, method, headers) : [EMPTY, rest]
    if (read === undefined) return { answers, rest: `cut off behind ${line}: ${rest.slice(0, 80)}` }
    rest = left
    answers.push({ status, headers, ...read })
  }
  return { answers, rest }
}

type Body = Pick<Heard, 'body' | 'trailers' | 'framing'>
const EMPTY: Body = { body: '', trailers: '', framing: 'none' }

function readBody(text: string, status: number, method: string, headers: Heard['headers']): [Body | undefined, string] {
  const value = (name: string) => headers.find(([key]) => key === name)?.[1]
  if (method === 'HEAD' || status === 101 || status === 204 || status === 304) return [EMPTY, text]
  if (value('transfer-encoding') !== undefined) {
    let body = ''
    for (let at = 0; ; ) {
      const line = text.indexOf('\r\n', at)
      const size = line === -1 ? Number.NaN : Number.parseInt(text.slice(at, line), 16)
      if (Number.isNaN(size)) return [undefined, text]
      if (size === 0) {
        if (text.startsWith('\r\n', line + 2)) return [{ body, trailers: '', framing: 'chunked' }, text.slice(line + 4)]
        const end = text.indexOf('\r\n\r\n', line)
        if (end === -1) return [undefined, text]
        return [{ body, trailers: text.slice(line + 2, end), framing: 'chunked' }, text.slice(end + 4)]
      }
      body += text.slice(line + 2, line + 2 + size)
      at = line + 2 + size + 2
    }
  }
  const length = value('content-length')
  if (length === undefined) return [{ body: text, trailers: '', framing: 'close' }, '']
  if (text.length < Number(length)) return [undefined, text]
  return [{ body: text.slice(0, Number(length)), trailers: '', framing: 'length' }, text.slice(Number(length))]
}

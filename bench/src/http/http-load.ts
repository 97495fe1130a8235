import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** A request as it goes over the wire, and what its answers must begin with. */
export interface WireRequest {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly status: number
}

/** Connections that send the same request again and again, each after the answer to the last one. Ends with this object. */
export class HttpLoad implements AsyncDisposable {
  readonly #sockets: readonly Socket[]

  private constructor(sockets: readonly Socket[]) {
    this.#sockets = sockets
  }

  static async open(port: number, connections: number): Promise<HttpLoad> {
    const sockets = Array.from({ length: connections }, () => connect({ port, host: '127.0.0.1', noDelay: true }))
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    return new HttpLoad(sockets)
  }

  /** Sends so many requests in all. Resolves with the head of the last answer; rejects when an answer has another status. */
  async run(request: WireRequest, count: number): Promise<string> {
    const { method, path, headers = {}, status } = request
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    const length = method === 'POST' ? 'content-length: 0\r\n' : ''
    const bytes = Buffer.from(
      `${method} ${path} HTTP/1.1\r\nhost: localhost\r\n${length}${lines.join('')}\r\n`,
      'latin1',
    )
    const wanted = `HTTP/1.1 ${status} `
    let left = count
    let last = ''
    const drive = (socket: Socket): Promise<void> =>
      new Promise((resolve, reject) => {
        let answer = ''
        const settle = (error?: Error): void => {
          socket.off('data', take).off('error', settle).off('close', closed)
          if (error === undefined) resolve()
          else reject(error)
        }
        const closed = (): void => settle(new Error('[bench] a connection was closed'))
        const send = (): void => {
          if (left-- > 0) socket.write(bytes)
          else settle()
        }
        const take = (data: Buffer): void => {
          answer += data.toString('latin1')
          if (!isWhole(answer)) return
          if (!answer.startsWith(wanted)) return settle(new Error(`[bench] expected ${wanted}, got ${answer}`))
          last = answer
          answer = ''
          send()
        }
        // Nobody would tell of what was closed before.
        if (socket.destroyed) return closed()
        socket.on('data', take).on('error', settle).on('close', closed)
        send()
      })
    await Promise.all(this.#sockets.map(drive))
    return last
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
  }
}

const LENGTH = /\r\ncontent-length: (\d+)\r\n/i

function isWhole(answer: string): boolean {
  const end = answer.indexOf('\r\n\r\n')
  if (end === -1) return false
  const length = LENGTH.exec(answer)?.[1]
  return length === undefined ? answer.endsWith('0\r\n\r\n') : answer.length >= end + 4 + Number(length)
}

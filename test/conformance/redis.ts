import { spawn, spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

type Reply = string | number | readonly Reply[] | null
interface Waiting {
  resolve(reply: Reply): void
  reject(error: Error): void
}

const PATIENCE_MILLIS = 10_000

/** Whether this machine has Debian's redis-server, or anybody's. */
export function hasRedis(): boolean {
  return spawnSync('redis-server', ['--version']).error === undefined
}

/** A real Redis of one test file, on a socket in a temp folder, and the few commands that the README's example uses. */
export class Redis {
  readonly #socket: Socket
  readonly #stop: () => Promise<void>
  readonly #waiting: Waiting[] = []
  #received = ''

  private constructor(socket: Socket, stop: () => Promise<void>) {
    this.#socket = socket
    this.#stop = stop
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => this.#receive(text))
    socket.on('close', () => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error('redis has closed the connection'))
    })
    socket.on('error', () => undefined)
  }

  /** @throws when it does not listen after 10 s. */
  static async start(): Promise<Redis> {
    const folder = await mkdtemp(join(tmpdir(), 'headwater-redis-'))
    const path = join(folder, 'redis.sock')
    const options = ['--port', '0', '--unixsocket', path, '--save', '', '--appendonly', 'no', '--dir', folder]
    const server = spawn('redis-server', options, { stdio: 'ignore' })
    const exited = new Promise((resolve) => server.once('exit', resolve))
    const stop = async (): Promise<void> => {
      server.kill('SIGKILL')
      await exited
      await rm(folder, { recursive: true, force: true })
    }
    for (const end = performance.now() + PATIENCE_MILLIS; performance.now() < end; await sleep(20)) {
      const socket = await connected(path)
      if (socket !== undefined) return new Redis(socket, stop)
    }
    await stop()
    throw new Error('redis-server does not listen')
  }

  async sMembers(key: string): Promise<string[]> {
    const members = await this.#send('SMEMBERS', key)
    return Array.isArray(members) ? members.map(String) : []
  }

  async sAdd(key: string, member: string): Promise<number> {
    return Number(await this.#send('SADD', key, member))
  }

  async sRem(key: string, members: readonly string[]): Promise<number> {
    return Number(await this.#send('SREM', key, ...members))
  }

  async expire(key: string, seconds: number): Promise<number> {
    return Number(await this.#send('EXPIRE', key, String(seconds)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy()
    await this.#stop()
  }

  #send(...words: readonly string[]): Promise<Reply> {
    const lines = words.flatMap((word) => [`$${Buffer.byteLength(word)}`, word])
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#socket.write(`*${words.length}\r\n${lines.join('\r\n')}\r\n`)
    })
  }

  #receive(text: string): void {
    this.#received += text
    for (let read = replyAt(this.#received, 0); read !== undefined; read = replyAt(this.#received, 0)) {
      this.#received = this.#received.slice(read.end)
      const waiting = this.#waiting.shift()
      if (read.reply instanceof Error) waiting?.reject(read.reply)
      else waiting?.resolve(read.reply)
    }
  }
}

function connected(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => resolve(socket))
    socket.once('error', () => resolve(undefined))
  })
}

/** The reply that begins at `start`; `undefined` while it is not complete. Source: Redis docs, "Redis serialization protocol". */
function replyAt(text: string, start: number): { reply: Reply | Error; end: number } | undefined {
  const lineEnd = text.indexOf('\r\n', start)
  if (lineEnd === -1) return undefined
  const line = text.slice(start + 1, lineEnd)
  const next = lineEnd + 2
  switch (text[start]) {
    case ':':
      return { reply: Number(line), end: next }
    case '-':
      return { reply: new Error(line), end: next }
    case '$': {
      if (line === '-1') return { reply: null, end: next }
      const end = next + Number(line)
      return text.length < end + 2 ? undefined : { reply: text.slice(next, end), end: end + 2 }
    }
    case '*': {
      const replies: Reply[] = []
      let end = next
      for (let left = Number(line); left > 0; left -= 1) {
        const read = replyAt(text, end)
        if (read === undefined) return undefined
        if (!(read.reply instanceof Error)) replies.push(read.reply)
        end = read.end
      }
      return { reply: replies, end }
    }
    default:
      return { reply: line, end: next }
  }
}

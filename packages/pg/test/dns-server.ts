import { createSocket, type Socket } from 'node:dgram'
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'

/** What a name has. */
export interface Records {
  readonly ttl?: number
  readonly A?: readonly string[]
  readonly AAAA?: readonly string[]
  readonly SRV?: readonly { readonly target: string; readonly port: number }[]
}

const TYPES = { A: 1, AAAA: 28, SRV: 33 } as const
const [NO_ERROR, SERVER_FAILURE, NO_SUCH_NAME] = [0, 2, 3]

/** A real DNS server on this machine: UDP, one question for each message (RFC 1035, RFC 2782). */
export class DnsServer implements AsyncDisposable {
  /** By name. One that is not here does not exist; for `'failure'` the server fails. */
  zone: Record<string, Records | 'failure'>
  /** How many questions came, by type and name: `A nrt.db.internal`. */
  readonly asked: string[] = []
  readonly #socket: Socket

  private constructor(zone: Record<string, Records | 'failure'>) {
    this.zone = zone
    this.#socket = createSocket('udp4', (message, from) =>
      this.#socket.send(this.#answer(message), from.port, from.address),
    )
  }

  static async start(zone: Record<string, Records | 'failure'>): Promise<DnsServer> {
    const server = new DnsServer(zone)
    server.#socket.bind(0, '127.0.0.1')
    await once(server.#socket, 'listening')
    return server
  }

  /** A resolver that asks it. */
  resolver(): Resolver {
    const resolver = new Resolver({ timeout: 500, tries: 1 })
    resolver.setServers([`127.0.0.1:${this.#socket.address().port}`])
    return resolver
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#socket, 'close')
    this.#socket.close()
    await closed
  }

  #answer(message: Buffer): Buffer {
    const end = endOfName(message, 12)
    const name = nameAt(message, 12)
    const type = message.readUInt16BE(end)
    const question = message.subarray(12, end + 4)
    this.asked.push(`${Object.entries(TYPES).find(([, code]) => code === type)?.[0] ?? type} ${name}`)
    const records = this.zone[name]
    const data = typeof records === 'object' ? dataOf(records, type) : []
    const code = records === undefined ? NO_SUCH_NAME : records === 'failure' ? SERVER_FAILURE : NO_ERROR
    const header = Buffer.alloc(12)
    message.copy(header, 0, 0, 2)
    header.writeUInt16BE(0x8580 | code, 2)
    header.writeUInt16BE(1, 4)
    header.writeUInt16BE(data.length, 6)
    const ttl = typeof records === 'object' ? (records.ttl ?? 60) : 0
    return Buffer.concat([header, question, ...data.map((one) => record(type, ttl, one))])
  }
}

function dataOf({ A = [], AAAA = [], SRV = [] }: Records, type: number): Buffer[] {
  if (type === TYPES.A) return A.map((address) => Buffer.from(address.split('.').map(Number)))
  if (type === TYPES.AAAA) return AAAA.map(sixBytes)
  if (type !== TYPES.SRV) return []
  return SRV.map(({ target, port }) => {
    const numbers = Buffer.alloc(6)
    numbers.writeUInt16BE(port, 4)
    return Buffer.concat([numbers, encodeName(target)])
  })
}

/** One that answers the message's only question. */
function record(type: number, ttl: number, data: Buffer): Buffer {
  const head = Buffer.alloc(12)
  head.writeUInt16BE(0xc00c, 0)
  head.writeUInt16BE(type, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt32BE(ttl, 6)
  head.writeUInt16BE(data.length, 10)
  return Buffer.concat([head, data])
}

function sixBytes(address: string): Buffer {
  const [left = '', right = ''] = address.split('::')
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'))
  const missing = 8 - groups(left).length - groups(right).length
  const all = [...groups(left), ...new Array<string>(missing).fill('0'), ...groups(right)]
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex')
}

function encodeName(name: string): Buffer {
  return Buffer.concat([
    ...name.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label)])),
    Buffer.alloc(1),
  ])
}

function nameAt(message: Buffer, start: number): string {
  const labels: string[] = []
  for (let at = start; message[at] !== 0; at += 1 + (message[at] ?? 0)) {
    labels.push(message.subarray(at + 1, at + 1 + (message[at] ?? 0)).toString())
  }
  return labels.join('.')
}

function endOfName(message: Buffer, start: number): number {
  let at = start
  while (message[at] !== 0) at += 1 + (message[at] ?? 0)
  return at + 1
}

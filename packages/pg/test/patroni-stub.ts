import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

interface Member {
  readonly host: string
  readonly port: number
}

interface Members {
  readonly leader: Member | undefined
  readonly others: readonly Member[]
}

/** Answers `GET /cluster` as Patroni's REST API documents it; a real one is asked in test/managers. */
export class PatroniStub implements AsyncDisposable {
  members: Members | 'silent'
  readonly #server: Server

  private constructor(members: Members | 'silent') {
    this.members = members
    this.#server = createServer((request, response) => {
      if (this.members === 'silent' || request.url !== '/cluster') return
      const { leader, others } = this.members
      const all = [
        ...(leader === undefined ? [] : [{ ...placeOf(leader), role: 'leader' }]),
        ...others.map((one) => ({ ...placeOf(one), role: 'replica' })),
      ]
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ members: all }))
    })
  }

  static async start(members: Members | 'silent'): Promise<PatroniStub> {
    const stub = new PatroniStub(members)
    stub.#server.listen(0, '127.0.0.1')
    await once(stub.#server, 'listening')
    return stub
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }
}

function placeOf({ host, port }: Member): Member & { readonly name: string } {
  return { name: `member-${port}`, host, port }
}

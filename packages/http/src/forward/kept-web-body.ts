import type { ClientRequest } from 'node:http'
import { KeptChunks, whenPressureEnds } from './kept-chunks.ts'

/**
 * The body of a web-standard request, kept as the app reads it from `request`: for servers that do not run on Node's own requests.
 * Like `KeptBody`, it holds no more than the limit.
 */
export class KeptWebBody {
  /** The request for the app to read, in place of the one that came. */
  readonly request: Request
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  readonly #chunks: KeptChunks
  #isComplete = false

  constructor(request: Request, body: ReadableStream<Uint8Array>, limitBytes: number, onTooLarge: () => void) {
    this.#chunks = new KeptChunks(limitBytes, onTooLarge)
    this.#reader = body.getReader()
    const kept = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const chunk = await this.#read()
        if (chunk === undefined) controller.close()
        else controller.enqueue(chunk)
      },
      cancel: () => {},
    })
    const init: RequestInit & { duplex: 'half' } = { body: kept, duplex: 'half' }
    this.request = new Request(request, init)
  }

  sendTo(outgoing: ClientRequest): void {
    this.#chunks.sendTo(outgoing)
    this.#sendRest(outgoing).catch((error) => outgoing.destroy(error instanceof Error ? error : undefined))
  }

  async #sendRest(outgoing: ClientRequest): Promise<void> {
    let isUnderPressure = true
    let goOn = (): void => {}
    whenPressureEnds(outgoing, () => {
      isUnderPressure = false
      goOn()
    })
    while (!this.#isComplete && !outgoing.destroyed) {
      await this.#read()
      if (outgoing.writableNeedDrain && isUnderPressure) {
        await new Promise<void>((resolve) => {
          goOn = resolve
          outgoing.once('drain', resolve)
        })
      }
    }
    if (!outgoing.destroyed) outgoing.end()
  }

  /** The next chunk of what came, kept or passed on; `undefined` at the end. */
  async #read(): Promise<Uint8Array | undefined> {
    const { done, value } = await this.#reader.read()
    if (done || value === undefined) {
      this.#isComplete = true
      return undefined
    }
    this.#chunks.take(value)
    return value
  }
}

import type { ServerResponse } from 'node:http'

/**
 * A longer body is a stream and is not collected, unless all but its last byte came at once: it is in memory already then. One
 * chunk of a file stream is as long as this (fs.createReadStream, `highWaterMark`).
 */
const LONGEST_COLLECTED = 65_536

/** What Node takes before `write()` returns false, unless an app sets another `highWaterMark`. */
const LITTLE = 16_384

/** How far the body of a held response has come. */
export class HeldBody {
  readonly #response: ServerResponse
  readonly #given: number | undefined
  #written = 0
  #hasBegun = false
  #hasEnded = false

  /** `given`: the content-length in what `writeHead` was given; `undefined` when it is among the headers set before, or absent. */
  constructor(response: ServerResponse, given: number | undefined) {
    this.#response = response
    this.#given = given
  }

  /** Whether there is anything that Node would send now. A head alone waits for what follows it. */
  get hasBegun(): boolean {
    return this.#hasBegun || this.#hasEnded
  }

  get isLittle(): boolean {
    return this.#written < LITTLE
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /**
   * Whether the head waits for the rest (P11). Session middleware stores the session between the last byte but one and the last:
   * the store's write is under way a moment after the head. A body without a declared length is a stream.
   */
  get isShort(): boolean {
    if (this.#hasEnded) return false
    // Nothing of it is sent, so nobody reads it meanwhile.
    if (hasNoBody(this.#response)) return this.#written <= LONGEST_COLLECTED
    const declared = this.#given ?? lengthIn(this.#response.getHeader('content-length'))
    if (declared === undefined) return false
    const missing = declared - this.#written
    return missing > 0 && (declared <= LONGEST_COLLECTED || missing === 1)
  }

  begin(): void {
    this.#hasBegun = true
  }

  add(chunk: unknown, encoding: unknown): void {
    this.#hasBegun = true
    if (chunk instanceof Uint8Array) this.#written += chunk.byteLength
    else this.#written += Buffer.byteLength(String(chunk), isEncoding(encoding) ? encoding : 'utf8')
  }

  end(): void {
    this.#hasEnded = true
  }
}

/** A content-length in bytes; `undefined` for anything else. */
export function lengthIn(header: unknown): number | undefined {
  const text = Array.isArray(header) ? header[0] : header
  return /^\d{1,15}$/.test(String(text)) ? Number(text) : undefined
}

/** RFC 9110, sections 9.3.2, 15.3.5 and 15.4.5. */
function hasNoBody({ req, statusCode }: ServerResponse): boolean {
  return statusCode === 204 || statusCode === 304 || req?.method === 'HEAD'
}

function isEncoding(encoding: unknown): encoding is BufferEncoding {
  return typeof encoding === 'string' && Buffer.isEncoding(encoding)
}

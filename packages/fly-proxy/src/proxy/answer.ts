import { fromRawHeaders, type HeaderList, headerOf } from '../http/headers.ts'
import { type ReplayInstruction, type ReplayRules, readReplayHeaders, readReplayJson } from '../replay/instruction.ts'
import { InvalidReplayError } from '../replay/invalid-replay-error.ts'
import type { Answer } from './upstream.ts'

const jsonLimit = 65_536

export const headersOf = (answer: Answer): HeaderList => fromRawHeaders(answer.response.rawHeaders)

/**
 * The instruction in an answer that asks for a replay.
 * @throws InvalidReplayError
 */
export async function readInstruction(
  answer: Answer,
  form: 'header' | 'json',
  rules: ReplayRules,
): Promise<ReplayInstruction> {
  const headers = headersOf(answer)
  if (form === 'header') return readReplayHeaders(headers, rules)
  if (headerOf(headers, 'content-encoding') !== undefined) throw new InvalidReplayError('the body is compressed')
  return readReplayJson(await readText(answer), rules)
}

/** Drops the body of an answer. A short one is read to its end, so that the connection can be used again. */
export function discard(answer: Answer): void {
  answer.detach()
  const length = Number(answer.response.headers['content-length'] ?? Number.NaN)
  if (length <= jsonLimit || answer.response.complete) answer.body.resume()
  else answer.response.destroy()
}

async function readText(answer: Answer): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > jsonLimit) throw new InvalidReplayError(`the body is over ${jsonLimit} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

import { randomBytes } from 'node:crypto'
import type { Anywhere } from '../anywhere.ts'
import type { Seen } from '../ask.ts'
import { type Finding, newKey } from '../finding.ts'

/** Of one crossing and the work there. */
const MOST = 1.15
const FROM = 'nrt'

/** What is handed over crosses once: a write, and the first byte of an answer that comes by and by, beside the same straight over the ocean. */
export async function crossesOnce(anywhere: Anywhere, pairs: number): Promise<Finding[]> {
  const straight = await anywhere.openStraight(FROM)
  async function compare(check: string, path: string, millisOf: (seen: Seen) => number): Promise<Finding> {
    const [ours, theirs]: [number[], number[]] = [[], []]
    // The first ones open connections.
    for (let turn = -3; turn < pairs; turn += 1) {
      const body = randomBytes(10_000)
      const handedOver = await anywhere.ask(FROM, `${path}?key=${newKey()}`, { body })
      const direct = await straight(`${path}?key=${newKey()}`, { body })
      if (handedOver.status !== 200 || direct.status !== 200) throw new Error(`${path}: ${handedOver.status}`)
      if (turn < 0) continue
      ours.push(millisOf(handedOver))
      theirs.push(millisOf(direct))
    }
    const [own, bare] = [medianOf(ours), medianOf(theirs)]
    return { check, saw: `${own.toFixed(0)} ms, ${(own / bare).toFixed(3)} of it`, isRight: own <= MOST * bare }
  }
  return [
    await compare('a write, p50 beside the same straight over the ocean', '/koa-3/write', ({ millis }) => millis),
    await compare('the first byte of a streamed answer, likewise', '/koa-3/in-parts', ({ firstMillis }) => firstMillis),
  ]
}

const medianOf = (numbers: readonly number[]): number =>
  numbers.toSorted((one, other) => one - other)[numbers.length >> 1] ?? Number.NaN

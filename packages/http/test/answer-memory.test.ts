import { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import { AnswerMemory } from '../src/forward/answer-memory.ts'

const MEGABYTE = 1_048_576
const own = (bytes: number): Buffer => Buffer.from(new ArrayBuffer(bytes))
const answer = (): { far: IncomingMessage; socket: EventEmitter } => {
  const socket = new EventEmitter()
  return { far: Object.assign(new EventEmitter(), { socket }) as unknown as IncomingMessage, socket }
}
const canFree = typeof Reflect.get(ArrayBuffer.prototype, 'transfer') === 'function'

test('P9: a short answer is left to the collector', () => {
  const { far, socket } = answer()
  const memory = new AnswerMemory(far)
  for (let at = 0; at < 3; at += 1) expect(memory.keep(own(MEGABYTE))).toBeUndefined()
  expect(socket.listenerCount('data')).toBe(0)
})

test.skipIf(!canFree)(
  'P9: of a long one each piece is freed once it is sent, and what was read is freed at once',
  () => {
    const { far, socket } = answer()
    const memory = new AnswerMemory(far)
    for (let at = 0; at < 3; at += 1) memory.keep(own(MEGABYTE))
    const piece = own(MEGABYTE)
    const free = memory.keep(piece)
    expect(piece.byteLength).toBe(MEGABYTE)
    free?.()
    expect(piece.byteLength).toBe(0)
    const read = own(65_536)
    socket.emit('data', read)
    expect(read.byteLength).toBe(0)
    far.emit('close')
    const ofAnother = own(65_536)
    socket.emit('data', ofAnother)
    expect(ofAnother.byteLength).toBe(65_536)
  },
)

test('P9: a piece that shares its memory with others is never freed', () => {
  const memory = new AnswerMemory(answer().far)
  const shared = own(8 * MEGABYTE)
  const piece = shared.subarray(0, 5 * MEGABYTE)
  memory.keep(piece)?.()
  expect(shared.byteLength).toBe(8 * MEGABYTE)
  expect(piece.byteLength).toBe(5 * MEGABYTE)
})

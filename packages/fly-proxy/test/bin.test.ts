import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { expect, it, onTestFinished } from 'vitest'
import { ask, startMachine } from './support/world.ts'

const bin = new URL('../src/bin.ts', import.meta.url).pathname

it('the bin prints its edges, proxies, and ends with 0 on SIGINT', async () => {
  const machine = await startMachine('m@nrt')
  const child = spawn(process.execPath, [bin, '--machine', `app/m@nrt=${machine.url}`, '--latency', 'real'])
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })
  const [first] = await once(lines, 'line')
  const [, url = ''] = /^edge nrt (http:\/\/127\.0\.0\.1:\d+)$/.exec(String(first)) ?? []
  const request = once(lines, 'line')
  expect((await ask(url)).body).toBe('m')
  expect(String(await request)).toMatch(/^nrt GET \/ > m 200 > 200 in \d+ ms$/)
  child.kill('SIGINT')
  expect((await once(child, 'exit'))[0]).toBe(0)
})

it('the bin explains bad flags and ends with 1', async () => {
  const child = spawn(process.execPath, [bin, '--latency', 'fast'])
  onTestFinished(() => void child.kill('SIGKILL'))
  let text = ''
  child.stderr.on('data', (chunk) => {
    text += chunk
  })
  expect((await once(child, 'close'))[0]).toBe(1)
  expect(text).toMatch(/--latency fast: expected none, real or a factor[\s\S]*Usage:/)
})

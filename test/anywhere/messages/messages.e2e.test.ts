import { once } from 'node:events'
import { createServer } from 'node:net'
import { isThere } from '@headwater/example-local-world/proxy-program'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FRAMEWORKS } from '../frameworks.ts'
import { WAY_NAMES, wayOf } from '../ways.ts'
import { CASES } from './cases.ts'
import { MessageStage, OWN_ANSWER } from './message-stage.ts'

// HTTP itself, by every way to the primary's region and in all frameworks: byte by byte on raw connections, against the real servers.

const isMissing = (name: (typeof WAY_NAMES)[number]): boolean => {
  const { program } = wayOf(name)
  return program !== undefined && !isThere(program)
}

const hasLoopback6: boolean = await new Promise((resolve) => {
  const server = createServer().listen(0, '::1', () => server.close(() => resolve(true)))
  once(server, 'error').then(
    () => resolve(false),
    () => {},
  )
})
if (!hasLoopback6) process.stdout.write('IPv6 is skipped: this machine has no ::1\n')

describe.each(WAY_NAMES)('P9: by %s', (name) => {
  describe.skipIf(isMissing(name)).each(['early', 'late'] as const)('met %s', (when) => {
    let stage: MessageStage
    beforeAll(async () => {
      stage = await MessageStage.open(name, when)
    })
    afterAll(() => stage?.[Symbol.asyncDispose]())

    test.each(CASES.filter(({ except }) => except?.[name] === undefined))('$title', async ({ send, check }) => {
      for (const framework of FRAMEWORKS) {
        const path = `/${framework}/w`
        const [conversation, got] = await stage.send(send(path))
        const { hasHung, rest } = conversation
        expect({ framework, hasHung, rest }).toEqual({ framework, hasHung: false, rest: '' })
        check(conversation, got, path)
      }
    })
  })

  test.skipIf(isMissing(name))('what stays here: a GET, and a HEAD with its length', async () => {
    await using stage = await MessageStage.open(name, 'never')
    for (const method of ['GET', 'HEAD']) {
      const bytes = `${method} /koa-3/w HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\r\n`
      const [{ answers, rest }, got] = await stage.send([[method, bytes]])
      const length = answers[0]?.headers.find(([key]) => key === 'content-length')?.[1]
      expect([answers[0]?.body, length, rest, got]).toEqual([
        method === 'GET' ? OWN_ANSWER : '',
        String(OWN_ANSWER.length),
        '',
        [],
      ])
    }
  })

  test.skipIf(isMissing(name))('a handshake that needs the primary', async () => {
    await using stage = await MessageStage.open(name, 'early', { upgrades: true })
    // forward() sends none on: the connection stays, and its writes cross by themselves.
    const who = name === 'forward' ? 'here' : 'the primary’s region'
    expect(await stage.shakeHands()).toBe(`${who} heard hello`)
  })

  test.skipIf(isMissing(name) || !hasLoopback6)('a region with an IPv6 address', async () => {
    await using stage = await MessageStage.open(name, 'early', { host: '::1' })
    const bytes = 'POST /koa-3/w HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc'
    const [{ answers }, [got]] = await stage.send([['POST', bytes]])
    expect([answers[0]?.status, answers[0]?.body, got?.body]).toEqual([200, 'POST 3', 'abc'])
  })
})

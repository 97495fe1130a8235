import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { forgetWarnings, noteCopy, parseLogger, WARNINGS, warn } from '../src/internal.ts'

const emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
beforeEach(() => {
  forgetWarnings()
  emitWarning.mockClear()
})
afterEach(() => forgetWarnings())

/** A console that remembers. */
const remembering = () => {
  const lines: unknown[][] = []
  return { lines, info: (...line: unknown[]) => lines.push(line), warn: (...line: unknown[]) => lines.push(line) }
}

describe('warnings', () => {
  it('O1: each code has an entry in docs/warnings.md, and each entry a code', () => {
    const page = readFileSync(new URL('../../../docs/warnings.md', import.meta.url), 'utf8')
    const entries = [...page.matchAll(/^### (HEADWATER_\w+)$/gm)].map(([, code]) => code)
    expect(entries.toSorted()).toEqual(Object.keys(WARNINGS).toSorted())
    for (const entry of page.split(/^### /m).slice(1)) expect(entry.split('\n\n')[1]?.length).toBeGreaterThan(40)
  })

  it('O1: one is said once for each kind and server, with its code and where to read on', () => {
    for (const server of ['a', 'b', 'a', 'b']) warn('HEADWATER_POOLER_FOUND', { server }, { about: server })
    warn('HEADWATER_PRIMARY_READ_ONLY', { server: 'a' }, { about: 'a' })
    expect(emitWarning.mock.calls.map(([text, options]) => [text, Reflect.get(Object(options), 'code')])).toEqual([
      [expect.stringMatching(/^a is behind a pooler.*docs\/warnings\.md/), 'HEADWATER_POOLER_FOUND'],
      [expect.stringMatching(/^b is behind a pooler/), 'HEADWATER_POOLER_FOUND'],
      [expect.stringMatching(/^a /), 'HEADWATER_PRIMARY_READ_ONLY'],
    ])
  })

  it('O1: the app’s logger is told instead, each one once; false is silent', () => {
    const [one, other] = [remembering(), remembering()]
    for (const logger of [one, other, one]) warn('HEADWATER_NO_PROXY', { target: 'x' }, { logger })
    warn('HEADWATER_NO_PROXY', { target: 'x' }, { logger: false })
    expect(one.lines).toEqual([[expect.stringMatching(/^headwater: HEADWATER_NO_PROXY: a request was answered/)]])
    expect(other.lines).toHaveLength(1)
    expect(emitWarning).not.toHaveBeenCalled()
  })

  it('O1: a logger of pino gets the code and the server as fields', () => {
    const pino = { ...remembering(), bindings: () => ({}) }
    warn('HEADWATER_POOLER_FOUND', { server: 'a' }, { about: 'a', logger: pino })
    expect(pino.lines).toEqual([
      [{ code: 'HEADWATER_POOLER_FOUND', server: 'a' }, expect.stringMatching(/^headwater: /)],
    ])
  })

  it('O1: what a logger throws reaches nobody', () => {
    const logger = {
      info: () => undefined,
      warn: () => {
        throw new Error('disk full')
      },
    }
    expect(() => warn('HEADWATER_NO_PROXY', { target: 'x' }, { logger })).not.toThrow()
  })

  it('O1: nobody can make it remember without end', () => {
    for (let server = 0; server < 5_000; server += 1) {
      warn('HEADWATER_POOLER_FOUND', { server: `${server}` }, { about: `${server}` })
    }
    expect(emitWarning.mock.calls.length).toBeLessThanOrEqual(1_000)
  })

  it('O1: a second copy of a package is named with both places; the same file twice is none', () => {
    noteCopy('@headwater/one', 'file:///a/index.js')
    noteCopy('@headwater/one', 'file:///a/index.js?t=2')
    expect(emitWarning).not.toHaveBeenCalled()
    noteCopy('@headwater/one', 'file:///b/index.js')
    noteCopy('@headwater/one', 'file:///b/index.js')
    expect(emitWarning.mock.calls.map(([text]) => text)).toEqual([
      expect.stringMatching(
        /@headwater\/one.*file:\/\/\/a\/index\.js.*file:\/\/\/b\/index\.js.*npm ls @headwater\/one/,
      ),
    ])
  })

  it.each([[{}], ['console'], [null], [true], [{ info() {} }]])('O1: %j is refused as a logger', (logger) => {
    expect(() => parseLogger(logger)).toThrow(/logger.*`info` and `warn`.*`false`/)
  })
})

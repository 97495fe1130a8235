import { expect, test } from 'vitest'
import { readEnvironment } from '../src/environment.ts'

const secret = 'a secret that is as long as it has to be'
const complete = { DATABASE_URL: 'postgres://app@127.0.0.1/app', HEADWATER_SECRET: secret, SESSION_SECRET: secret }

test('what is missing is named all at once, and no value is shown', () => {
  expect(() =>
    readEnvironment({ PORT: 'eighty', DATABASE_URL: 'mysql://app:hunter2@db', SESSION_SECRET: 'short' }),
  ).toThrow(
    /^The environment is not complete:\n {2}PORT: .*\n {2}DATABASE_URL: .*\n {2}HEADWATER_SECRET: .*\n {2}SESSION_SECRET: /,
  )
  const words = (): string => {
    try {
      return String(readEnvironment({ ...complete, DATABASE_URL: 'mysql://app:hunter2@db', SESSION_SECRET: 'brief' }))
    } catch (error) {
      return String(error)
    }
  }
  expect(words()).not.toMatch(/hunter2|brief/)
})

test('a region without the primary region is refused', () => {
  expect(() => readEnvironment({ ...complete, FLY_REGION: 'nrt' })).toThrow(/PRIMARY_REGION/)
})

test('the rest has defaults that are safe', () => {
  expect(readEnvironment(complete)).toMatchObject({ HOST: '127.0.0.1', PORT: 8080 })
})

test('forward without an address of the primary region is refused', () => {
  expect(() => readEnvironment({ ...complete, REPLAY_VIA: 'forward' })).toThrow(/PRIMARY_APP_URL/)
  expect(() => readEnvironment({ ...complete, REPLAY_VIA: 'traefik' })).toThrow(/REPLAY_VIA/)
})

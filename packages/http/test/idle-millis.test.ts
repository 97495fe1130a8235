import { expect, test } from 'vitest'
import { idleMillisAfter } from '../src/replay/idle-millis.ts'

test.each([
  ['what Node says by default', 'timeout=5', undefined, 4_000],
  ['a server that keeps connections longer', 'timeout=20', undefined, 19_000],
  ['one that keeps them longer than balancers do', 'timeout=65', undefined, 30_000],
  ['nothing said', undefined, undefined, 4_000],
  ['nothing said, and a limit of the app', undefined, 60_000, 60_000],
  ['less than the limit of the app', 'timeout=5, max=100', 60_000, 4_000],
  ['more than the limit of the app', 'max=100, timeout=65', 10_000, 10_000],
  ['a second', 'timeout=1', undefined, 1],
  ['no number', 'timeout=soon', undefined, 4_000],
  ['another word', 'notimeout=9', undefined, 4_000],
] as const)('P9: an idle connection is kept no longer than the other side keeps it: %s', (_, said, most, millis) => {
  expect(idleMillisAfter(said, most)).toBe(millis)
})

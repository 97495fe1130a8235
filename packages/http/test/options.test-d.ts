import { needsPrimary } from '@headwater/core'
import type { EarlyReplay, HeadwaterOptions, Refusals, RequestFacts } from '@headwater/http'
import { expectTypeOf, test } from 'vitest'

const pool = { topology: { region: 'nrt', primaryRegion: 'ams', isAtHome: false, hasReplica: true } }

test('P5: earlyReplay is a boolean, or a function of the request that may leave the choice to us', () => {
  expectTypeOf<HeadwaterOptions['earlyReplay']>().toEqualTypeOf<
    boolean | ((request: RequestFacts) => EarlyReplay | undefined) | undefined
  >()
  const reads: readonly string[] = ['/search', '/graphql']
  const options: HeadwaterOptions = {
    pool,
    earlyReplay: ({ url }) => (reads.some((path) => url.startsWith(path)) ? 'never' : undefined),
  }
  expectTypeOf(options).toExtend<HeadwaterOptions>()
  // @ts-expect-error no other word
  expectTypeOf<{ pool: typeof pool; earlyReplay: 'always' }>().toExtend<HeadwaterOptions>()
})

test('P10: refusals is a word, or a function of the request', () => {
  expectTypeOf<HeadwaterOptions['refusals']>().toEqualTypeOf<
    Refusals | ((request: RequestFacts) => Refusals | undefined) | undefined
  >()
  const options: HeadwaterOptions = { pool, refusals: 'always', replayOn: needsPrimary, tooLarge: 'direct' }
  expectTypeOf(options).toExtend<HeadwaterOptions>()
  expectTypeOf<HeadwaterOptions['tooLarge']>().toEqualTypeOf<'refuse' | 'direct' | undefined>()
})

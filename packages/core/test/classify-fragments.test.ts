import { describe, expect, test } from 'vitest'
import { FACES, findSteepFragments } from './repeated-fragments.ts'

/** Of a longer search, as `HEADWATER_FRAGMENTS=5000 HEADWATER_SEED=7 vitest run …/classify-fragments.test.ts` makes one. */
const FRAGMENTS = Number(process.env['HEADWATER_FRAGMENTS'] ?? 25)
const SEED = Number(process.env['HEADWATER_SEED'] ?? 20_261_128)

describe('R2: fragments found by machine', () => {
  test.each(Object.entries(FACES))(
    'repeated for as long as one likes, take time linear in the length: %s',
    { timeout: 60_000 + FRAGMENTS * 1000 },
    (face, read) => {
      expect(findSteepFragments({ seed: SEED, fragments: FRAGMENTS, length: 20_000, faces: { [face]: read } })).toEqual(
        [],
      )
    },
  )

  test('the search finds what looks back at all that was before', { timeout: 60_000 }, () => {
    let seen = 0
    const lookingBack = (text: string): void => {
      for (let at = 0; at < text.length; at++) {
        for (let before = at; before >= 0; before -= 64) seen += text.charCodeAt(before)
      }
    }
    const steep = findSteepFragments({ seed: 1, fragments: 2, length: 10_000, faces: { lookingBack } })
    expect(seen).toBeGreaterThan(0)
    expect(steep.length).toBeGreaterThan(0)
  })
})

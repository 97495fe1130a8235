import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { greatCircleKm, realRoundTripMillis, resolveLatency, routeKm } from '../src/distance/latency.ts'
import { isRegionMeant, regions } from '../src/distance/regions.ts'
import { FlyProxyError } from '../src/report/fly-proxy-error.ts'

const code = fc.constantFrom(...Object.keys(regions))

describe('latency: real distances', () => {
  // Published round trips between data centres of these cities, with some 10 % of room.
  it.each([
    ['nrt', 'ams', 225, 255],
    ['ord', 'ams', 95, 110],
    ['nrt', 'ord', 140, 160],
    ['iad', 'lhr', 72, 95],
    ['sin', 'ams', 145, 175],
    ['syd', 'ams', 240, 285],
    ['gru', 'ams', 180, 225],
    ['sjc', 'iad', 55, 72],
    ['sin', 'iad', 210, 245],
    ['ams', 'lhr', 5, 12],
  ])('%s-%s takes %i to %i ms', (from, to, least, most) => {
    expect(realRoundTripMillis(from, to)).toBeGreaterThanOrEqual(least)
    expect(realRoundTripMillis(from, to)).toBeLessThanOrEqual(most)
  })

  it('the great circle is right: Tokyo-Amsterdam 9300 km, São Paulo-Johannesburg 7450 km', () => {
    expect(greatCircleKm('nrt', 'ams')).toBeCloseTo(9317, -2)
    expect(greatCircleKm('gru', 'jnb')).toBeCloseTo(7450, -2)
  })

  it('the formula is 1.5 ms per 100 km of route plus 2, nothing inside a region', () => {
    expect(realRoundTripMillis('ord', 'ams')).toBeCloseTo(greatCircleKm('ord', 'ams') * 0.015 + 2, 6)
    expect(realRoundTripMillis('ord', 'ord')).toBe(0)
  })

  it('every pair is finite, symmetric, and never shorter than the great circle or light in glass', () => {
    fc.assert(
      fc.property(code, code, (a, b) => {
        expect(realRoundTripMillis(a, b)).toBeCloseTo(realRoundTripMillis(b, a), 6)
        expect(routeKm(a, b)).toBeGreaterThanOrEqual(greatCircleKm(a, b) - 1e-6)
        expect(realRoundTripMillis(a, b)).toBeGreaterThanOrEqual(greatCircleKm(a, b) / 100)
        expect(realRoundTripMillis(a, b)).toBeLessThan(400)
      }),
    )
  })
})

describe('latency: the option', () => {
  it('none, scale, function', () => {
    expect(resolveLatency('none', ['nowhere'])('a', 'b')).toBe(0)
    expect(resolveLatency({ scale: 0.5 }, [])('ord', 'ams')).toBeCloseTo(realRoundTripMillis('ord', 'ams') / 2, 6)
    expect(resolveLatency((from, to) => (from === to ? 1 : 7), [])('ord', 'ams')).toBe(7)
  })

  it('a region without a place is refused for real distances, with the codes to choose from', () => {
    expect(() => resolveLatency('real', ['xyz'])).toThrow(/"xyz".*ams/)
    expect(() => resolveLatency('real', ['toString'])).toThrow(FlyProxyError)
  })

  it.each([{ scale: -1 }, { scale: Number.NaN }, 'fast', undefined, null])('%j is refused', (latency) => {
    expect(() => resolveLatency(latency as never, [])).toThrow(FlyProxyError)
  })

  it('a function that returns no duration is refused when it is called', () => {
    expect(() => resolveLatency(() => -1, [])('a', 'b')).toThrow(FlyProxyError)
  })
})

describe('1.1: aliases apac eu na sa us/usa any', () => {
  it.each([
    ['apac', ['nrt', 'sin', 'syd', 'bom', 'hkg'], ['ams', 'ord']],
    ['eu', ['ams', 'lhr', 'fra'], ['ord', 'jnb']],
    ['na', ['ord', 'yyz', 'qro'], ['gru', 'ams']],
    ['sa', ['gru', 'scl'], ['qro', 'iad']],
    ['us', ['ord', 'iad'], ['yyz']],
    ['usa', ['ord', 'iad'], ['yyz']],
    ['any', ['ord', 'jnb', 'home'], []],
  ])('%s', (alias, inside, outside) => {
    for (const region of inside) expect(isRegionMeant(alias, region)).toBe(true)
    for (const region of outside) expect(isRegionMeant(alias, region)).toBe(false)
  })
})

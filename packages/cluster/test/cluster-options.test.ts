import { describe, expect, test } from 'vitest'
import { ClusterError } from '../src/index.ts'
import { type ClusterOptions, resolveOptions } from '../src/options/cluster-options.ts'

describe('options', () => {
  test('have defaults and are frozen', () => {
    const options = resolveOptions({})
    expect(options).toEqual({
      replicaNames: ['replica-1'],
      provider: 'embedded',
      bin: undefined,
      image: 'postgres:18',
      settings: {},
      isTemplateCached: true,
      folder: undefined,
      startTimeoutMillis: 30_000,
      signal: undefined,
    })
    expect(Object.isFrozen(options) && Object.isFrozen(options.replicaNames) && Object.isFrozen(options.settings)).toBe(
      true,
    )
  })

  test('name replicas by number or by list', () => {
    expect(resolveOptions({ replicas: 3 }).replicaNames).toEqual(['replica-1', 'replica-2', 'replica-3'])
    expect(resolveOptions({ replicas: ['nrt', 'ord'] }).replicaNames).toEqual(['nrt', 'ord'])
    expect(resolveOptions({ replicas: 0 }).replicaNames).toEqual([])
  })

  test('give containers more time', () => {
    expect(resolveOptions({ provider: 'testcontainers' }).startTimeoutMillis).toBe(180_000)
  })

  test('take the binaries that the environment names, unless the caller says which', () => {
    const environment = { HEADWATER_CLUSTER_BIN: '/opt/postgres/bin' }
    expect(resolveOptions({}, environment)).toMatchObject({ provider: 'binaries', bin: '/opt/postgres/bin' })
    expect(resolveOptions({ provider: 'embedded' }, environment)).toMatchObject({
      provider: 'embedded',
      bin: undefined,
    })
    expect(resolveOptions({ provider: 'binaries', bin: '/bin' }, environment).bin).toBe('/bin')
    expect(resolveOptions({}, { HEADWATER_CLUSTER_BIN: '' }).provider).toBe('embedded')
    // Forgotten `provider`: as wrong as without the variable.
    expect(() => resolveOptions({ bin: '/bin' }, environment)).toThrow(/only with provider 'binaries'/)
  })

  // Cast, because callers without TypeScript exist.
  const wrong: readonly [what: string, options: unknown, message: RegExp][] = [
    ['a negative number of replicas', { replicas: -1 }, /whole number from 0 to 20/],
    ['half a replica', { replicas: 1.5 }, /whole number/],
    ['too many replicas', { replicas: 21 }, /0 to 20/],
    ['a string of replicas', { replicas: 'nrt' }, /list of names/],
    ['a name with a quote', { replicas: ["a'b"] }, /letters, digits/],
    ['a name with a slash', { replicas: ['../etc'] }, /letters, digits/],
    ['a name twice', { replicas: ['nrt', 'nrt'] }, /taken/],
    ['the name of the primary', { replicas: ['primary'] }, /taken/],
    ['an unknown provider', { provider: 'podman' }, /embedded, testcontainers, binaries/],
    ['binaries without a folder', { provider: 'binaries' }, /needs bin/],
    ['a folder without binaries', { bin: '/usr/bin' }, /only with provider 'binaries'/],
    ['an image without containers', { image: 'postgres:17' }, /only with provider 'testcontainers'/],
    ['a folder for containers', { provider: 'testcontainers', folder: '/tmp' }, /local providers/],
    [
      'an option that does not exist',
      { startTimeout: 1000 },
      /no option startTimeout; the options are replicas, .*startTimeoutMillis/,
    ],
    ['a timeout of 0', { startTimeoutMillis: 0 }, /above 0/],
    ['a timeout that is not a number', { startTimeoutMillis: Number.NaN }, /above 0/],
    ['a setting of the cluster itself', { settings: { PORT: '1' } }, /is set by the cluster/],
    ['a setting over two lines', { settings: { work_mem: "1MB'\nfsync=on" } }, /one line/],
    ['a name that is not a setting', { settings: { 'a b': '1' } }, /not the name/],
    ['a setting that is a number', { settings: { work_mem: 1 } }, /expected a string/],
  ]
  test.each(wrong)('refuse %s', (_what, options, message) => {
    const attempt = () => resolveOptions(options as ClusterOptions)
    expect(attempt).toThrow(message)
    expect(attempt).toThrow(expect.objectContaining({ code: 'CLUSTER_OPTIONS_INVALID', name: 'ClusterError' }))
    expect(attempt).toThrow(ClusterError)
  })
})

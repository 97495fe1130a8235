import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { readCommandLine } from '../src/command-line.ts'
import { createFlyProxy, FlyProxyError, type FlyProxyOptions } from '../src/index.ts'
import { resolveOptions } from '../src/options/resolve-options.ts'

const machine = { id: 'm', region: 'nrt', url: 'http://127.0.0.1:3001' }
const apps = [{ name: 'app', machines: [machine] }]

describe('options', () => {
  it('defaults are those of the reference', () => {
    expect(resolveOptions({ apps })).toMatchObject({
      ...{
        bufferLimit: 1_048_576,
        maxReplays: 10,
        stateMaxBytes: 1024,
        unknownFields: 'reject',
        fallbackReplay: 'error',
      },
      ...{
        replaySrc: 'replace',
        keepSetCookie: false,
        trustClientHeaders: false,
        errorStatus: 502,
        noCandidateWaitMillis: 7500,
      },
      ...{ wakeMillis: 1400, host: '127.0.0.1', latency: 'none', edges: [{ region: 'nrt', port: 0 }] },
    })
  })

  it('the resolved options are frozen', () => {
    expect(Object.isFrozen(resolveOptions({ apps }))).toBe(true)
  })

  it.each<[string, unknown, string]>([
    ['apps is empty', { apps: [] }, 'INVALID_OPTION'],
    ['apps is empty', undefined, 'INVALID_OPTION'],
    ['unknown option "bufferlimit"', { apps, bufferlimit: 1 }, 'INVALID_OPTION'],
    [
      'app a has the unknown option "organisation"',
      { apps: [{ name: 'a', machines: [machine], organisation: 'b' }] },
      'INVALID_OPTION',
    ],
    ['softLimit of m is -1', { apps: [{ name: 'a', machines: [{ ...machine, softLimit: -1 }] }] }, 'INVALID_OPTION'],
    [
      'wakeMillis of m is 0.5',
      { apps: [{ name: 'a', machines: [{ ...machine, wakeMillis: 0.5 }] }] },
      'INVALID_OPTION',
    ],
    ['hardLimit of m is "9"', { apps: [{ name: 'a', machines: [{ ...machine, hardLimit: '9' }] }] }, 'INVALID_OPTION'],
    ['bufferLimit is -1', { apps, bufferLimit: -1 }, 'INVALID_OPTION'],
    ['maxReplays is "10"', { apps, maxReplays: '10' }, 'INVALID_OPTION'],
    ['replaySrc is "append"; expected "replace" or "keep-first"', { apps, replaySrc: 'append' }, 'INVALID_OPTION'],
    ['keepSetCookie is "yes"', { apps, keepSetCookie: 'yes' }, 'INVALID_OPTION'],
    ['url of machine m', { apps: [{ name: 'a', machines: [{ ...machine, url: 'https://x' }] }] }, 'INVALID_OPTION'],
    ['url of machine m', { apps: [{ name: 'a', machines: [{ ...machine, url: 'nonsense' }] }] }, 'INVALID_OPTION'],
    ['region is "NRT"', { apps: [{ name: 'a', machines: [{ ...machine, region: 'NRT' }] }] }, 'INVALID_OPTION'],
    ['machine id "m" appears twice', { apps: [{ name: 'a', machines: [machine, machine] }] }, 'DUPLICATE_MACHINE'],
    ['ports has "ams"', { apps, ports: { ams: 1 } }, 'INVALID_OPTION'],
    ['ports.nrt is 70000', { apps, ports: { nrt: 70_000 } }, 'INVALID_OPTION'],
    ['region "home" has no known place', { apps, edges: ['home'], latency: 'real' }, 'UNKNOWN_REGION'],
    ['latency is "slow"', { apps, latency: 'slow' }, 'INVALID_OPTION'],
    ['no edge', { apps: [{ name: 'a', machines: [] }] }, 'INVALID_OPTION'],
  ])('says what was wrong: %s', (message, options, code) => {
    const create = (): unknown => createFlyProxy(options as FlyProxyOptions)
    expect(create).toThrow(message)
    expect(create).toThrow(FlyProxyError)
    expect(create).toThrow(expect.objectContaining({ code }))
  })

  it('a password in a machine’s url is refused without being repeated', () => {
    const url = 'http://user:hunter2@127.0.0.1:1'
    expect(() => createFlyProxy({ apps: [{ name: 'a', machines: [{ ...machine, url }] }] })).toThrow(/^(?!.*hunter2)/)
  })

  it('edges have no ports before listen()', () => {
    expect(() => createFlyProxy({ apps }).edge('nrt')).toThrow(expect.objectContaining({ code: 'NOT_LISTENING' }))
  })
})

describe('the command line', () => {
  it('machines, edges, latency and settings', () => {
    const { options, isQuiet } = readCommandLine([
      ...['--machine', 'app/m1@nrt=http://127.0.0.1:3001', '--machine', 'app/m2@ams=http://127.0.0.1:3002'],
      ...[
        '--edge',
        'nrt:8080',
        '--edge',
        'ord',
        '--latency',
        '0.5',
        '--set',
        'bufferLimit=10485760',
        '--set',
        'keepSetCookie=true',
      ],
      '--quiet',
    ])
    expect(isQuiet).toBe(true)
    expect(resolveOptions(options)).toMatchObject({
      ...{ latency: { scale: 0.5 }, bufferLimit: 10_485_760, keepSetCookie: true },
      edges: [
        { region: 'nrt', port: 8080 },
        { region: 'ord', port: 0 },
      ],
      apps: [
        {
          name: 'app',
          machines: [
            { id: 'm1', region: 'nrt' },
            { id: 'm2', region: 'ams' },
          ],
        },
      ],
    })
  })

  it('a config file, which flags win over', () => {
    const folder = mkdtempSync(join(tmpdir(), 'fly-proxy-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'proxy.json')
    writeFileSync(path, JSON.stringify({ apps, latency: 'real', wakeMillis: 10 }))
    const { options } = readCommandLine([
      '--config',
      path,
      '--latency',
      'none',
      '--machine',
      'app/n@ams=http://127.0.0.1:1',
    ])
    expect(resolveOptions(options)).toMatchObject({
      latency: 'none',
      wakeMillis: 10,
      apps: [{ machines: [{ id: 'm' }, { id: 'n' }] }],
    })
    writeFileSync(path, '[')
    expect(() => readCommandLine(['--config', path])).toThrow(/as JSON/)
  })

  it.each([
    ['--machine', 'm1'],
    ['--edge', 'NRT'],
    ['--latency', 'fast'],
    ['--set', 'bufferLimit'],
    ['--config', '/nowhere.json'],
    ['--frobnicate', 'x'],
  ])('%s %s is refused with INVALID_OPTION', (flag, value) => {
    expect(() => readCommandLine([flag, value])).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  })
})

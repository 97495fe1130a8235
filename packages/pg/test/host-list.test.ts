import { OptionsInvalid } from '@headwater/core'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { internalsOf } from '../src/driver/pg-internals.ts'
import { resolveOptions } from '../src/options/options.ts'

/** Where the servers of a connection string are, as pg reads what it became. */
function serversOf(connectionString: string, environment: Record<string, string> = {}) {
  const { primary, replicas } = resolveOptions({ primary: { connectionString } }, environment)
  return [primary, ...replicas].map(({ config }) => new pg.Client(config))
}
const placesOf = (connectionString: string) =>
  serversOf(connectionString).map(({ host, port }) => `${host}${port === 5432 ? '' : ` ${port}`}`)

describe('a list of hosts in one connection string (X7)', () => {
  it.each([
    ['postgres://u:p@a:5432,b:5433/app', ['a', 'b 5433']],
    ['postgresql://u:p@a,b,c/app?target_session_attrs=read-write', ['a', 'b', 'c']],
    ['postgres://a:1,b/app', ['a 1', 'b']],
    ['postgres://[::1]:5432,[fe80::2]:5433,c/app', ['::1', 'fe80::2 5433', 'c']],
    ['postgres://u@/app?host=a,b&port=5432', ['a', 'b']],
    ['postgres://u@/app?host=a,b&port=1,2', ['a 1', 'b 2']],
    ['postgres://u@:7/app?host=a,b', ['a 7', 'b 7']],
    ['postgres://u@ignored:7/app?host=a,::1&port=1,2', ['a 1', '::1 2']],
    // As SQLAlchemy writes it.
    ['postgresql://u@/app?host=a:1&host=b:2', ['a 1', 'b 2']],
    ['postgresql://u@/app?host=a&host=b&port=3', ['a 3', 'b 3']],
    ['postgres://a,b/app?port=9', ['a 9', 'b 9']],
    ['postgres:///app?host=/run/one,/run/two', ['/run/one', '/run/two']],
    ['postgres://%2Frun%2Fone,b:3/app', ['/run/one', 'b 3']],
    ['host=a,b port=5432,5433 dbname=app user=u', ['a', 'b 5433']],
    ['host=a,b dbname=app target_session_attrs=primary load_balance_hosts=random', ['a', 'b']],
    ['hostaddr=10.0.0.1,::1 port=1', ['10.0.0.1 1', '::1 1']],
    ["host = 'a , b'", ['a', 'b']],
    ['host=a dbname=app', ['a']],
    // A comma in a password is no list.
    ['postgres://u:a,b@one:1/app', ['one 1']],
    ['postgres://a:1,a:1/app', ['a 1']],
  ])('%s is %j', (url, places) => {
    expect(placesOf(url)).toEqual(places)
  })

  it('keeps user, password, database and settings for each', () => {
    const all = serversOf('postgres://u%40x:p%2Cw@a:1,b:2/my%20app?sslmode=disable&application_name=x%26y')
    for (const one of all) {
      expect(one).toMatchObject({ user: 'u@x', password: 'p,w', database: 'my app', ssl: false })
      expect(internalsOf(one).connectionParameters).toMatchObject({ application_name: 'x&y' })
    }
    const [pair] = serversOf(
      String.raw`host=a,b user=u password='it\'s a \\ 100% #1?' dbname='my app' options='-c geqo=off'`,
    )
    expect(pair).toMatchObject({ user: 'u', password: String.raw`it's a \ 100% #1?`, database: 'my app' })
    expect(pair && internalsOf(pair).connectionParameters.options).toBe('-c geqo=off')
  })

  it('leaves one host in a URL as it was given, to the byte', () => {
    for (const url of [
      'postgres://u:p@h:1/app?x=1&x=2',
      'postgres://h/app?target_session_attrs=any',
      '/tmp app',
      'socket:/tmp?db=x',
    ]) {
      expect(resolveOptions({ primary: { connectionString: url } }, {}).primary.config.connectionString).toBe(url)
    }
  })

  it('is understood in replicas, in servers, and in the environment', () => {
    const list = 'postgres://a,b/app'
    const urls = (
      nodes: readonly { readonly name: string; readonly config: { connectionString?: string | undefined } }[],
    ) => nodes.map(({ name, config }) => `${name} ${config.connectionString}`)
    const byReplica = resolveOptions({ host: 'p', replicas: [{ connectionString: list }, { host: 'c' }] }, {})
    expect(urls(byReplica.replicas)).toEqual([
      'replica-0 postgres://a/app',
      'replica-0-1 postgres://b/app',
      'replica-1 undefined',
    ])
    const byServer = resolveOptions(
      { servers: [{ connectionString: list }, { connectionString: 'postgres://c/app' }] },
      {},
    )
    expect(urls([byServer.primary, ...byServer.replicas])).toEqual([
      'server-0 postgres://a/app',
      'server-1 postgres://b/app',
      'server-2 postgres://c/app',
    ])
    const attached = resolveOptions({}, { DATABASE_URL: list, DATABASE_REPLICA_URL: 'postgres://c,d/app' })
    expect(urls([attached.primary, ...attached.replicas])).toEqual([
      'primary postgres://a/app',
      'primary-1 postgres://b/app',
      'replica-0 postgres://c/app',
      'replica-0-1 postgres://d/app',
    ])
    // Standbys alone may be asked for where none has to take writes.
    expect(
      resolveOptions(
        { host: 'p', replicas: [{ connectionString: 'postgres://a,b/app?target_session_attrs=standby' }] },
        {},
      ).replicas,
    ).toHaveLength(2)
  })

  it.each([
    ['postgres://u:s3cret@a,b/app?target_session_attrs=standby', /take no writes/],
    ['postgres://u:s3cret@a,b/app?target_session_attrs=master', /expected one of any, read-write/],
    ['postgres://u:s3cret@a,b,c/app?port=1,2', /3 hosts and 2 ports/],
    ['postgres://u:s3cret@a,,b/app', /no name/],
    ['postgres://u:s3cret@a,/app', /no name/],
    ['postgres://u:s3cret@a:99999,b/app', /above 65535/],
    ['host=a,b port=x password=s3cret', /no number/],
    ["host=a,b password='s3cret", /after its 1\. pair/],
    ['host=a,b s3cret', /expected name=value/],
    ['postgres://u:s3cret@/app?host=a,%zz', /encodes nothing/],
  ])('%s is refused, and its password not shown', (connectionString, message) => {
    const refuse = () => resolveOptions({ primary: { connectionString } }, {})
    expect(refuse).toThrow(OptionsInvalid)
    expect(refuse).toThrow(message)
    expect(refuse).toThrow(expect.objectContaining({ message: expect.not.stringContaining('s3cret') }))
  })
})

describe('servers (X7)', () => {
  const two = [
    { region: 'ams', host: 'a' },
    { region: 'nrt', host: 'b', password: 'own' },
  ]

  it('the first is the first guess, or the first in PRIMARY_REGION; all else at the top level holds for each', () => {
    const first = resolveOptions({ servers: two, max: 3, password: 'shared' }, {})
    expect(first).toMatchObject({
      areRolesGiven: false,
      primary: { name: 'server-0', region: 'ams', config: { host: 'a', max: 3, password: 'shared' } },
      replicas: [{ name: 'server-1', region: 'nrt', config: { host: 'b', max: 3, password: 'own' } }],
      catalog: { isLoaded: true },
    })
    expect(resolveOptions({ servers: two }, { PRIMARY_REGION: 'nrt', DATABASE_URL: 'postgres://c/app' })).toMatchObject(
      {
        primary: { name: 'server-1' },
        replicas: [{ name: 'server-0' }],
      },
    )
  })

  it.each<[object, string, RegExp]>([
    [{ servers: two, primary: { host: 'p' } }, 'servers', /beside primary/],
    [{ servers: two, replicas: [] }, 'servers', /beside replicas/],
    [{ servers: two, connectionString: 'postgres://a/b' }, 'servers', /beside connectionString/],
    [{ servers: two, port: 5432 }, 'servers', /beside port/],
    [{ servers: [] }, 'servers', /lists no server/],
    [{ servers: 'a,b' }, 'servers', /expected an array/],
    [{ servers: [{ region: 'ams' }] }, 'servers[0]', /names no server/],
    [{ servers: [null] }, 'servers[0]', /names no server/],
    [{ servers: [{ host: 'a', region: 'AMS' }] }, 'servers[0].region', /region name/],
    [{ servers: [{ host: 'a', endpoint: 'moving' }] }, 'servers[0].endpoint', /one server/],
    [{ primary: { host: 'a', endpoint: 'load-balancer' } }, 'primary.endpoint', /"moving"/],
    [{ primary: { host: 'a', regionOf: () => 'ams' } }, 'primary.regionOf', /endpoint: "moving"/],
    [
      { primary: { endpoint: 'moving', connectionString: 'postgres://a,b/c' } },
      'primary.connectionString',
      /address that moves is one/,
    ],
    [{ replicas: [{ endpoint: 'moving', host: 'a' }] }, 'replicas[0].endpoint', /"load-balancer"/],
    [
      { replicas: [{ endpoint: 'load-balancer', connectionString: 'postgres://a,b/c' }] },
      'replicas[0]',
      /load balancer is one/,
    ],
    [{ replicas: [{ discover: '' }] }, 'replicas[0].discover', /no DNS name/],
    [{ replicas: [{ discover: '10.0.0.1' }] }, 'replicas[0].discover', /no DNS name/],
    [{ replicas: [{ discover: 7 }] }, 'replicas[0].discover', /names nothing/],
    [{ replicas: [{ discover: { name: 'a', records: 'TXT' } }] }, 'replicas[0].discover.records', /expected one of/],
    [{ replicas: [{ discover: { name: 'a', refreshMillis: 10 } }] }, 'replicas[0].discover.refreshMillis', /1000 to/],
    [{ replicas: [{ discover: 'a', host: 'b' }] }, 'replicas[0]', /one of the two/],
    [{ replicas: [{ discover: 'a', endpoint: 'load-balancer' }] }, 'replicas[0].endpoint', /each address/],
    [{ truth: 'patroni' }, 'truth', /expected a function/],
  ])('%j is refused, naming %s', (options, option, message) => {
    const refuse = () => resolveOptions(options, {})
    expect(refuse).toThrow(expect.objectContaining({ option }))
    expect(refuse).toThrow(message)
  })

  it('a process in a region needs to know where the primary is, or someone to ask', () => {
    const elsewhere = { region: 'nrt', replicas: [{ host: 'r' }] }
    expect(() => resolveOptions({ ...elsewhere, primary: { host: 'p' } }, {})).toThrow(/primary\.region/)
    expect(resolveOptions({ ...elsewhere, primary: { host: 'p', endpoint: 'moving' } }, {}).primary).toMatchObject({
      asksRegion: true,
    })
    expect(resolveOptions({ region: 'nrt', servers: [{ host: 'a' }, { host: 'b' }] }, {}).primary).toMatchObject({
      asksRegion: true,
    })
  })
})

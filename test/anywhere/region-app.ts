import { createHash } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { RoutedPool } from '@headwater/pg'
import { untilCatalogIsRead } from '@headwater/test-world'
import { serverOf } from './frameworks.ts'
import type { FromApp, Point, RegionSettings } from './region-process.ts'
import { wayOf } from './ways.ts'

// The app of one region, in a process of its own: so it can be killed. Its settings come as JSON.

const settings: RegionSettings = JSON.parse(process.argv[2] ?? '{}')
const { region, primary, replica, way, far, port } = settings

const pool = new RoutedPool({
  region,
  primary: { region: 'ams', connectionString: primary },
  replicas: replica === undefined ? [] : [{ region, connectionString: replica }],
  connectionTimeoutMillis: 2000,
  // Which server answers is what the suite asks: the app's own word is that it reads.
  functions: { server: 'read' },
  logger: false,
  max: 50,
})

const tell = (message: FromApp): void => void process.send?.(message)
const forever = (): Promise<never> => new Promise(() => {})

async function insert(query: URLSearchParams, body: Buffer): Promise<void> {
  const digest = createHash('sha256').update(body).digest('hex')
  await pool.query('insert into landing (key, digest, region) values ($1, $2, $3)', [query.get('key'), digest, region])
}

async function* inParts(key: string, isWhole: boolean): AsyncGenerator<string> {
  yield 'the first part, '
  reached('in the answer', key)
  if (!isWhole) await forever()
  yield 'the second part'
}

const reached = (point: Point, key: string | null): void => tell({ point, key: key ?? '' })

const server = serverOf(
  {
    pool,
    secret: 'a secret of every region, long enough',
    replayTarget: wayOf(way).target(far),
    token: false,
    logger: false,
  },
  async (path, query, body) => {
    switch (path) {
      case '/read':
        return (await pool.query<{ who: string }>('select who from server')).rows[0]?.who ?? ''
      case '/write':
        await insert(query, body)
        return `written in ${region}`
      case '/stop-behind-commit':
        await insert(query, body)
        reached('behind the COMMIT', query.get('key'))
        return await forever()
      case '/stop-in-answer':
      case '/in-parts':
        await insert(query, body)
        return inParts(query.get('key') ?? '', path === '/in-parts')
      default:
        throw new Error(`there is no ${path}`)
    }
  },
  (url) => {
    if (url.includes('/write?')) reached('arrived', new URL(url, 'http://app').searchParams.get('key'))
  },
)
// As the page on this says: connections between regions are kept, and none ends just as it is used again.
server.keepAliveTimeout = 35_000
if (replica !== undefined) await untilCatalogIsRead(pool)
server.listen(port, '127.0.0.1', () => tell({ port: (server.address() as AddressInfo).port }))
process.on('disconnect', () => process.exit())

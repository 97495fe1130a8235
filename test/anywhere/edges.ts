import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  accessSync,
  chmodSync,
  constants,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createFlyProxy } from '@headwater/fly-proxy'
import { flyReplay, forward, haproxy, nginx, type ReplayTarget } from '@headwater/http'

/** Where the two instances of the app listen. */
export interface Instances {
  /** Of the region nrt, in front of which the edge stands. */
  readonly here: number
  /** Of ams, the primary's region. */
  readonly primary: number
}

/** What stands before the app in nrt, and how the app asks it for a replay. */
export interface Edge {
  readonly name: string
  /** The program that has to be there; `undefined`: none. */
  readonly program: string | undefined
  /** Whether the signed state comes back with the replayed request. */
  readonly keepsState: boolean
  readonly target: (primary: number) => ReplayTarget
  readonly open: (instances: Instances) => Promise<OpenEdge>
}

export interface OpenEdge extends AsyncDisposable {
  /** Where clients of nrt come to. */
  readonly port: number
}

const CONFIGURATIONS = new URL('../../examples/proxies/', import.meta.url)

export const EDGES: readonly Edge[] = [
  {
    name: 'fly (emulator)',
    program: undefined,
    keepsState: true,
    target: () => flyReplay({ timeoutMillis: 1_000 }),
    async open({ here, primary }) {
      const machines = [
        { id: 'here', region: 'nrt', url: `http://127.0.0.1:${here}` },
        { id: 'primary', region: 'ams', url: `http://127.0.0.1:${primary}` },
      ]
      const proxy = createFlyProxy({ apps: [{ name: 'app', machines }] })
      await proxy.listen()
      const port = Number(new URL(proxy.edge('nrt').url).port)
      return { port, [Symbol.asyncDispose]: () => proxy.close() }
    },
  },
  {
    name: 'forward',
    program: undefined,
    keepsState: true,
    target: (primary) => forward({ regions: { ams: `http://127.0.0.1:${primary}` } }),
    open: async ({ here }) => ({ port: here, [Symbol.asyncDispose]: async () => {} }),
  },
  {
    name: 'nginx error_page',
    program: 'nginx',
    keepsState: true,
    target: () => nginx(),
    open: (instances) => openNginx(instances, (text) => text),
  },
  {
    name: 'nginx accel',
    program: 'nginx',
    keepsState: true,
    target: () => nginx({ by: 'accel' }),
    open: (instances) =>
      openNginx(instances, (text) =>
        text.replace('error_page 470 = @primary;', '').replace('proxy_intercept_errors on;', ''),
      ),
  },
  {
    name: 'haproxy retry',
    program: 'haproxy',
    keepsState: false,
    target: () => haproxy(),
    open: (instances) => openProgram('haproxy', instances, (dir) => ['haproxy', '-db', '-f', join(dir, 'retry.cfg')]),
  },
  {
    name: 'haproxy lua',
    program: 'haproxy',
    keepsState: true,
    target: () => haproxy({ by: 'lua' }),
    open: (instances) => openProgram('haproxy', instances, (dir) => ['haproxy', '-db', '-f', join(dir, 'lua.cfg')]),
  },
]

function openNginx(instances: Instances, change: (text: string) => string): Promise<OpenEdge> {
  return openProgram(
    'nginx',
    instances,
    (dir) => ['nginx', '-p', dir, '-c', join(dir, 'nginx.conf'), '-g', 'daemon off;'],
    change,
  )
}

/** Whether a program is on the path. */
export function isThere(program: string): boolean {
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .concat('/usr/sbin')
    .some((folder) => {
      try {
        accessSync(join(folder, program), constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

/** Runs the configuration of `examples/proxies` on free ports, in a folder of its own. */
async function openProgram(
  folder: string,
  { here, primary }: Instances,
  command: (dir: string) => readonly [string, ...string[]],
  change = (text: string) => text,
): Promise<OpenEdge> {
  const dir = mkdtempSync(join(tmpdir(), `headwater-${folder}-`))
  // The workers of nginx are somebody else.
  chmodSync(dir, 0o755)
  cpSync(new URL(`${folder}/`, CONFIGURATIONS), dir, { recursive: true })
  const port = await freePort()
  for (const file of readdirSync(dir)) {
    const text = readFileSync(join(dir, file), 'utf8')
      .replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`)
      .replaceAll('127.0.0.1:8081', `127.0.0.1:${here}`)
      .replaceAll('127.0.0.1:8082', `127.0.0.1:${primary}`)
      .replaceAll('/run/headwater', dir)
    writeFileSync(join(dir, file), change(text))
  }
  const [program, ...args] = command(dir)
  const child = spawn(program, args, {
    cwd: dir,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` },
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += String(chunk)))
  const ended = once(child, 'exit')
  const close = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    await ended
    rmSync(dir, { recursive: true, force: true })
  }
  for (let tries = 0; tries < 200; tries += 1) {
    if (child.exitCode !== null) break
    if (await accepts(port)) return { port, [Symbol.asyncDispose]: close }
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  await close()
  throw new Error(`${program} did not start: ${said}`)
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

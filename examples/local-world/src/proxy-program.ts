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
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

/** The ports of the two instances of the app. */
export interface Instances {
  /** Of the region that the proxy stands in. */
  readonly here: number
  /** Of the primary's region, ams. */
  readonly primary: number
  /** Of other regions that the primary may move to, by region. Default: none. */
  readonly others?: Readonly<Record<string, number>>
}

/** A proxy that runs. */
export interface RunningProxy extends AsyncDisposable {
  /** Where clients come to. */
  readonly port: number
  /** Kills it and its workers (SIGKILL), as a machine does that fails. */
  kill(): Promise<void>
}

/** What is changed in a configuration, besides its addresses. */
export interface ProxySettings {
  /** How long the other region may say nothing before the client gets an error, in seconds. Default: as it is there, 60. */
  readonly answerSeconds?: number | undefined
  /** The loopback address that clients and instances have: `127.0.0.1` or `::1`. Default: as it is there, 127.0.0.1. */
  readonly host?: string | undefined
}

const CONFIGURATIONS = new URL('../../proxies/', import.meta.url)

/** The proxies whose configuration is in `examples/proxies`, and how each is started in its folder. */
const COMMANDS = {
  'nginx error_page': ['nginx', (dir: string) => ['-p', dir, '-c', join(dir, 'nginx.conf'), '-g', 'daemon off;']],
  'nginx accel': ['nginx', (dir: string) => ['-p', dir, '-c', join(dir, 'nginx.conf'), '-g', 'daemon off;']],
  'haproxy retry': ['haproxy', (dir: string) => ['-db', '-f', join(dir, 'retry.cfg')]],
  'haproxy lua': ['haproxy', (dir: string) => ['-db', '-f', join(dir, 'lua.cfg')]],
} as const

export type ProxyName = keyof typeof COMMANDS

/** Whether it is one of them. */
export const isProxy = (name: string): name is ProxyName => name in COMMANDS

/** The program that a proxy needs. */
export const programOf = (proxy: ProxyName): 'nginx' | 'haproxy' => COMMANDS[proxy][0]

/** Runs a configuration of `examples/proxies` on free ports, in a folder of its own. Throws, with what it printed, when it does not start. */
export async function startProxy(
  proxy: ProxyName,
  { here, primary, others = {} }: Instances,
  { answerSeconds = 60, host = '127.0.0.1' }: ProxySettings = {},
): Promise<RunningProxy> {
  const [folder, argumentsIn] = COMMANDS[proxy]
  const dir = mkdtempSync(join(tmpdir(), `headwater-${folder}-`))
  // The workers of nginx are somebody else.
  chmodSync(dir, 0o755)
  cpSync(new URL(`${folder}/`, CONFIGURATIONS), dir, { recursive: true })
  const port = await freePort()
  for (const file of readdirSync(dir)) {
    const text = withRegions(readFileSync(join(dir, file), 'utf8'), others)
      .replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`)
      .replaceAll('127.0.0.1:8081', `127.0.0.1:${here}`)
      .replaceAll('127.0.0.1:8082', `127.0.0.1:${primary}`)
      .replaceAll('/run/headwater', dir)
      .replaceAll('127.0.0.1:', host.includes(':') ? `[${host}]:` : `${host}:`)
      .replace(/(proxy_read_timeout|timeout server) 60s/g, `$1 ${answerSeconds}s`)
    // The other way of nginx goes by a header alone.
    const isAccel = proxy === 'nginx accel'
    const own = isAccel
      ? text.replace('error_page 470 = @primary;', '').replace('proxy_intercept_errors on;', '')
      : text
    writeFileSync(join(dir, file), own)
  }
  const child = spawn(folder, argumentsIn(dir), {
    cwd: dir,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` },
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += String(chunk)))
  const ended = once(child, 'exit')
  const kill = async () => {
    const workers = childrenOf(child.pid)
    // It first, or it starts another worker for one that is gone; they would go on without it.
    child.kill('SIGKILL')
    for (const pid of workers) killIfThere(pid)
    await ended
  }
  const close = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    await ended
    rmSync(dir, { recursive: true, force: true })
  }
  for (let tries = 0; tries < 200; tries += 1) {
    if (child.exitCode !== null) break
    if (await accepts(port, host)) return { port, kill, [Symbol.asyncDispose]: close }
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  await close()
  throw new Error(`${folder} did not start: ${said}`)
}

/** What the configuration says of ams, once more for each other region: an upstream of nginx, or a backend of HAProxy. */
function withRegions(text: string, others: Readonly<Record<string, number>>): string {
  const [block] = /^ *upstream region_ams .*\n|^backend region_ams\n(?:[ \t].*\n)*/m.exec(text) ?? []
  if (block === undefined) return text
  const more = Object.entries(others).map(([region, port]) =>
    block.replace('region_ams', `region_${region}`).replace('127.0.0.1:8082', `127.0.0.1:${port}`),
  )
  return text.replace(block, [block, ...more].join('\n'))
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Gone already.
  }
}

function childrenOf(pid: number | undefined): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

/** Whether somebody listens there. */
export function accepts(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host, () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** A port that nobody had a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
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

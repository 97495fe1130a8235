import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  accepts,
  freePort,
  type ProxyName,
  programOf,
  type RunningProxy,
  startProxy,
} from '@headwater/example-local-world/proxy-program'
import { flyReplay, forward, haproxy, nginx, type ReplayTarget } from '@headwater/http'

/** How long a region may take to accept, and then to answer, in the runs: less than the defaults, so that a silence is over soon. */
const CONNECT_MILLIS = 1_000
const ANSWER_SECONDS = 4

/** What clients of one region come to, where it is not the app itself. */
export interface Edge extends AsyncDisposable {
  readonly port: number
  /** SIGKILL. */
  kill(): Promise<void>
}

/** One way to the primary's region. */
export interface Way {
  readonly name: string
  /** The program that has to be there; `undefined`: none. */
  readonly program: string | undefined
  /** How the app asks for it; `far` is the port of the primary's region as it is reached from here, on the loopback address `host`. */
  readonly target: (far: number, host?: string) => ReplayTarget
  /** Whether it carries requests over the ocean by itself, with an ocean of its own in between. */
  readonly hasOwnOcean: boolean
  /** Whether it gives up a region that says nothing. */
  readonly silence: 'ends' | 'ends, but not in an answer' | 'unknown'
  /** What stands before the app in `region`; `undefined`: nothing, clients come to the app. */
  readonly open?: (region: string, here: number, far: number) => Promise<Edge>
}

const byProxy = (name: ProxyName, target: () => ReplayTarget): Way => ({
  name,
  program: programOf(name),
  target,
  hasOwnOcean: false,
  silence: 'ends',
  open: async (_region, here, primary): Promise<RunningProxy> =>
    await startProxy(name, { here, primary }, { answerSeconds: ANSWER_SECONDS }),
})

const WAYS = {
  'fly (emulator)': {
    name: 'fly (emulator)',
    program: undefined,
    target: () => flyReplay({ timeoutMillis: CONNECT_MILLIS }),
    hasOwnOcean: true,
    silence: 'unknown',
    open: openFly,
  },
  forward: {
    name: 'forward',
    program: undefined,
    target: (far, host = '127.0.0.1') =>
      forward({
        regions: { ams: `http://${host.includes(':') ? `[${host}]` : host}:${far}` },
        connectTimeoutMillis: CONNECT_MILLIS,
        answerTimeoutMillis: ANSWER_SECONDS * 1000,
      }),
    hasOwnOcean: false,
    silence: 'ends, but not in an answer',
  },
  'nginx error_page': byProxy('nginx error_page', () => nginx()),
  'nginx accel': byProxy('nginx accel', () => nginx({ by: 'accel' })),
  'haproxy retry': byProxy('haproxy retry', () => haproxy()),
  'haproxy lua': byProxy('haproxy lua', () => haproxy({ by: 'lua' })),
} as const satisfies Readonly<Record<string, Way>>

export type WayName = keyof typeof WAYS
export const WAY_NAMES = Object.keys(WAYS) as WayName[]
export const wayOf = (name: WayName): Way => WAYS[name]

/** Fly's proxy as it is emulated, in a process of its own, as its command is. */
async function openFly(region: string, here: number, far: number): Promise<Edge> {
  const port = await freePort()
  const machines = [`app/here@${region}=http://127.0.0.1:${here}`, `app/primary@ams=http://127.0.0.1:${far}`]
  const child = fork(
    new URL('../../packages/fly-proxy/src/bin.ts', import.meta.url),
    [
      ...machines.flatMap((machine) => ['--machine', machine]),
      '--edge',
      `${region}:${port}`,
      '--latency',
      'real',
      '--quiet',
    ],
    { execArgv: ['--conditions=dev-source'], stdio: ['ignore', 'ignore', 'ignore', 'ipc'] },
  )
  const ended = once(child, 'exit')
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
  }
  for (let tries = 0; tries < 400 && child.exitCode === null; tries += 1) {
    if (await accepts(port)) return { port, kill, [Symbol.asyncDispose]: kill }
    await sleep(25)
  }
  await kill()
  throw new Error('the emulator of Fly’s proxy did not start')
}

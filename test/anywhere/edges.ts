import {
  type Instances,
  type ProxyName,
  programOf,
  type RunningProxy,
  startProxy,
} from '@headwater/example-local-world/proxy-program'
import { createFlyProxy } from '@headwater/fly-proxy'
import { flyReplay, forward, haproxy, nginx, type ReplayTarget } from '@headwater/http'

/** What stands before the app in nrt, and how the app asks it for a replay. */
export interface Edge {
  readonly name: string
  /** The program that has to be there; `undefined`: none. */
  readonly program: string | undefined
  /** Whether the signed state comes back with the replayed request. */
  readonly keepsState: boolean
  readonly target: (primary: number) => ReplayTarget
  readonly open: (instances: Instances) => Promise<RunningProxy>
}

const proxyEdge = (name: ProxyName, target: () => ReplayTarget, keepsState = true): Edge => ({
  name,
  program: programOf(name),
  keepsState,
  target,
  open: (instances) => startProxy(name, instances),
})

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
  proxyEdge('nginx error_page', () => nginx()),
  proxyEdge('nginx accel', () => nginx({ by: 'accel' })),
  proxyEdge('haproxy retry', () => haproxy(), false),
  proxyEdge('haproxy lua', () => haproxy({ by: 'lua' })),
]

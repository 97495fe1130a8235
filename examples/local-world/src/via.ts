import { type Instances, isThere, type RunningProxy, startProxy } from './proxy-program.ts'

/** What can hand a request over to the primary's region: Fly's proxy, the app by itself, or another proxy in front of it. */
export const VIAS = ['fly', 'forward', 'nginx', 'haproxy'] as const
export type Via = (typeof VIAS)[number]

/** The way that a command line names. Throws a TypeError that says which there are. */
export function readVia(text: string): Via {
  const via = VIAS.find((candidate) => candidate === text)
  if (via === undefined) throw new TypeError(`--via ${text} is unknown; expected ${VIAS.join(', ')}`)
  return via
}

/** Puts the proxy in front of an instance; `undefined` where none is needed. Throws when its program is not there. */
export async function proxyBefore(via: Via, instances: Instances): Promise<RunningProxy | undefined> {
  if (via === 'fly' || via === 'forward') return undefined
  if (!isThere(via))
    throw new Error(`--via ${via}: there is no ${via} on this machine; install it, or take --via forward`)
  return await startProxy(via === 'nginx' ? 'nginx error_page' : 'haproxy lua', instances)
}

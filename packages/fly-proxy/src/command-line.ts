import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { Latency } from './distance/latency.ts'
import type { AppOptions, FlyProxyOptions, MachineOptions } from './options/options.ts'
import { FlyProxyError } from './report/fly-proxy-error.ts'

export const usage = `Usage: fly-proxy [--config file.json] [--machine app/id@region=http://127.0.0.1:3001]... [--edge nrt:8080]...
                 [--latency none|real|<factor>] [--host 127.0.0.1] [--set option=value]... [--quiet]

  --config   JSON file with the options of createFlyProxy(); flags add to it and override it
  --machine  a machine of an app; repeat it. The first app gets requests whose Host names none
  --edge     a region that has an edge, and its port (default: a free one); repeat it
  --latency  none (default), real, or a factor of the real time such as 0.5
  --set      any other option of createFlyProxy(), such as --set bufferLimit=10485760
  --quiet    do not print requests
`

export interface CommandLine {
  readonly options: FlyProxyOptions
  readonly isQuiet: boolean
  readonly wantsHelp: boolean
}

/**
 * Reads the flags, and the file that --config names.
 * @throws FlyProxyError INVALID_OPTION
 */
export function readCommandLine(argv: readonly string[]): CommandLine {
  const values = parse(argv)
  const file: Partial<FlyProxyOptions> = values.config === undefined ? {} : readConfig(values.config)
  const edges = (values.edge ?? []).map(readEdge)
  const ports = Object.fromEntries(edges.flatMap(({ region, port }) => (port === undefined ? [] : [[region, port]])))
  const options = {
    ...file,
    ...Object.fromEntries((values.set ?? []).map(readSetting)),
    ...(values.host !== undefined && { host: values.host }),
    ...(values.latency !== undefined && { latency: readLatency(values.latency) }),
    ...(edges.length > 0 && { edges: edges.map(({ region }) => region), ports }),
    apps: mergeApps(file.apps ?? [], (values.machine ?? []).map(readMachine)),
  }
  return { options, isQuiet: values.quiet === true, wantsHelp: values.help === true }
}

function parse(argv: readonly string[]): ReturnType<typeof parseFlags> {
  try {
    return parseFlags(argv)
  } catch (cause) {
    throw new FlyProxyError('INVALID_OPTION', cause instanceof Error ? cause.message : 'the flags cannot be read', {
      cause,
    })
  }
}

function parseFlags(argv: readonly string[]): {
  config?: string
  machine?: string[]
  edge?: string[]
  latency?: string
  host?: string
  set?: string[]
  quiet?: boolean
  help?: boolean
} {
  return parseArgs({
    args: [...argv],
    options: {
      config: { type: 'string' },
      machine: { type: 'string', multiple: true },
      edge: { type: 'string', multiple: true },
      latency: { type: 'string' },
      host: { type: 'string' },
      set: { type: 'string', multiple: true },
      quiet: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  }).values
}

function readConfig(path: string): Partial<FlyProxyOptions> {
  try {
    const config: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (typeof config === 'object' && config !== null && !Array.isArray(config)) return config
  } catch (cause) {
    throw new FlyProxyError('INVALID_OPTION', `cannot read ${path} as JSON`, { cause })
  }
  throw new FlyProxyError('INVALID_OPTION', `${path} does not hold a JSON object`)
}

function readMachine(text: string): MachineOptions & { app: string } {
  const [, app, id, region, url] = /^([^/@=]+)\/([^/@=]+)@([^/@=]+)=(.+)$/.exec(text) ?? []
  if (app && id && region && url) return { app, id, region, url }
  throw new FlyProxyError('INVALID_OPTION', `--machine ${text}: expected app/id@region=http://127.0.0.1:3001`)
}

function readEdge(text: string): { region: string; port: number | undefined } {
  const [, region, port] = /^([a-z0-9-]+)(?::(\d{1,5}))?$/.exec(text) ?? []
  if (region) return { region, port: port === undefined ? undefined : Number(port) }
  throw new FlyProxyError('INVALID_OPTION', `--edge ${text}: expected a region such as nrt, or nrt:8080`)
}

function readLatency(text: string): Latency {
  if (text === 'none' || text === 'real') return text
  const scale = Number(text)
  if (text.trim() !== '' && Number.isFinite(scale)) return { scale }
  throw new FlyProxyError('INVALID_OPTION', `--latency ${text}: expected none, real or a factor such as 0.5`)
}

function readSetting(text: string): [string, unknown] {
  const [, name, value] = /^(\w+)=(.+)$/.exec(text) ?? []
  if (name === undefined || value === undefined) {
    throw new FlyProxyError('INVALID_OPTION', `--set ${text}: expected option=value`)
  }
  if (/^\d+$/.test(value)) return [name, Number(value)]
  return [name, value === 'true' || value === 'false' ? value === 'true' : value]
}

function mergeApps(
  fromFile: readonly AppOptions[],
  machines: readonly (MachineOptions & { app: string })[],
): AppOptions[] {
  const apps = new Map(fromFile.map((app) => [app.name, app]))
  for (const { app: name, ...machine } of machines) {
    const app = apps.get(name) ?? { name, machines: [] }
    apps.set(name, { ...app, machines: [...app.machines, machine] })
  }
  return [...apps.values()]
}

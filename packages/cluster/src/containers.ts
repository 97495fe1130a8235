import type { ResolvedOptions } from './cluster-options.ts'
import type { ProvidedServers } from './server.ts'
export async function startContainers(_options: ResolvedOptions, _signal: AbortSignal): Promise<ProvidedServers> {
  throw new Error('next commit')
}

import type { Finding } from '@headwater/core/internal'
import type { Environment } from './environment.ts'

/** What the gaps depend on. */
export interface Wiring {
  readonly region: string | undefined
  readonly primaryRegion: string | undefined
  readonly hasReplicas: boolean
  /** Whether the app has given the option `replicas`, perhaps to say that there are none. */
  readonly isExplicit: boolean
  readonly environment: Environment
}

/** Finds what a process in a named region should know, and would not notice: all works, over the wide network. */
export function gapsIn({ region, primaryRegion, hasReplicas, isExplicit, environment }: Wiring): readonly Finding[] {
  if (region === undefined) {
    const isOnFly = ON_FLY.some((name) => hasText(environment[name]))
    const isNamed = hasText(environment['PRIMARY_REGION']) && hasReplicas
    return isOnFly || isNamed ? [{ code: 'HEADWATER_NO_REGION', facts: { primaryRegion, isOnFly } }] : []
  }
  if (primaryRegion === undefined) return [{ code: 'HEADWATER_NO_PRIMARY_REGION', facts: { region } }]
  if (region === primaryRegion || hasReplicas || isExplicit) return []
  return [{ code: 'HEADWATER_NO_REPLICA', facts: { region, primaryRegion } }]
}

/** Fly sets these on every Machine. Source: fly.io/docs/machines/runtime-environment. */
const ON_FLY = ['FLY_APP_NAME', 'FLY_MACHINE_ID', 'FLY_ALLOC_ID']

function hasText(value: string | undefined): boolean {
  return value !== undefined && value !== ''
}

import type { Workload } from './workloads.ts'

/** Where the contenders read and write: one replica next door, and its primary. */
export interface Servers {
  readonly primary: string
  readonly replica: string
}

/** How many connections each contender has to each server: pg's and postgres.js's own default. */
export const CONNECTIONS = 10

/** Time and CPU of some operations, in µs each. */
export interface Cost {
  readonly time: number
  readonly clientCpu: number
}

/** One way to ask Postgres, set up and connected. */
export interface Contender {
  readonly name: string
  /** What it calls its connections on the servers. */
  readonly application: string
  /** What it can be asked. */
  readonly runs: Readonly<Partial<Record<Workload, () => Promise<unknown>>>>
  /** For one that lives in another process: asks there, and gives the cost there. */
  readonly elsewhere?: (workload: Workload, callers: number, operations: number) => Promise<Cost>
  end(): Promise<unknown>
}

/** `postgres://…` with the name that the connections are found by. */
export function namedUrl(url: string, application: string): string {
  const named = new URL(url)
  named.searchParams.set('application_name', application)
  return named.href
}

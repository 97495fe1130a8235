import { migrations } from './migration-suite.ts'
import { readOnlyHandle } from './readonly-suite.ts'
import { regressions } from './regression-suite.ts'
import { whereStatementsGo } from './routing-suite.ts'
import { setStage } from './stage.ts'
import { transactions } from './transaction-suite.ts'
import type { Version } from './version.ts'

/** Holds one version of Drizzle to the promises, on real servers. */
export function conformance(name: string, version: Version): void {
  const stage = setStage(name, version)
  whereStatementsGo(stage)
  transactions(stage)
  regressions(stage)
  readOnlyHandle(stage)
  migrations(stage)
}

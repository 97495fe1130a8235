import { CASES } from './cases.ts'
import { loadDataAdapters } from './data-adapters.ts'
import { HOSTS } from './hosts.ts'
import { runMatrix } from './run-matrix.ts'

runMatrix({
  adapters: await loadDataAdapters(),
  cases: CASES,
  hosts: Object.keys(HOSTS),
  openWays: async ({ replicas }) => ({
    // A replica next door in both regions: a read that crosses, or a write that stays, shows.
    poolOf: (region) => ({ replicas: replicas.map(({ url }) => ({ region, connectionString: url })) }),
    [Symbol.asyncDispose]: async () => undefined,
  }),
})

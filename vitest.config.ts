import { defineConfig } from 'vitest/config'

// Packages are read from their sources; `dev-source` is the first condition of each exports map.
const resolve = { conditions: ['dev-source', 'node'] }
const ssr = { resolve: { conditions: resolve.conditions, externalConditions: ['dev-source'] } }

const where = (suffix: string) => [
  `packages/*/test/**/*.${suffix}`,
  `test/**/*.${suffix}`,
  `examples/*/test/**/*.${suffix}`,
]

/** Tests that measure time, or count what happens in a time. */
const TIMED = [
  'examples/demo/test/demo.e2e.test.ts',
  'examples/local-world/test/local-world.e2e.test.ts',
  'packages/fly-proxy/test/faults.test.ts',
  'test/anywhere/anywhere.e2e.test.ts',
  'test/conformance/freshness.e2e.test.ts',
  'test/end-to-end.e2e.test.ts',
  'test/managers/managers.e2e.test.ts',
  'test/polling.e2e.test.ts',
  'test/proof/**/*.e2e.test.ts',
]

export default defineConfig({
  test: {
    projects: [
      {
        resolve,
        ssr,
        test: {
          name: 'unit',
          include: where('test.ts'),
          exclude: [...TIMED, '**/*.integration.test.ts', '**/*.e2e.test.ts', '**/node_modules/**'],
          // Most wait more than they work.
          maxWorkers: 3,
          // Some work through megabytes, on a machine that may be busy.
          testTimeout: 30_000,
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: 'integration',
          include: where('integration.test.ts'),
          // A cluster is three Postgres servers, and most tests wait for them: four files at a time is what two cores carry.
          maxWorkers: 4,
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: 'e2e',
          include: where('e2e.test.ts'),
          exclude: [...TIMED, '**/node_modules/**'],
          maxWorkers: 3,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: 'timed',
          include: TIMED,
          // These measure time: one at a time, and nothing beside them.
          maxWorkers: 1,
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: 'types',
          include: [],
          typecheck: {
            enabled: true,
            only: true,
            checker: 'tsc',
            include: where('test-d.ts'),
            tsconfig: 'tsconfig.check.json',
          },
        },
      },
    ],
  },
})

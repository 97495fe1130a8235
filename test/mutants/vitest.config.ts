import { defineConfig } from 'vitest/config'

const conditions = ['dev-source', 'node']

/** The unit tests of core without the classifier's: it is not mutated, and is judged by a real standby instead. */
export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: ['dev-source'] } },
  test: {
    include: ['packages/core/test/**/*.test.ts'],
    exclude: ['**/*.integration.test.ts', '**/classify*', '**/classify/**', '**/node_modules/**'],
    testTimeout: 30_000,
  },
})

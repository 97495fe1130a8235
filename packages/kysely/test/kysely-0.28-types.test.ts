import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const here = dirname(fileURLToPath(import.meta.url))

/** The compiler's own file: what a package manager puts beside it is a shell script on one system, a .cmd on another. */
const compiler = (): string => {
  const require = createRequire(import.meta.url)
  return join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc')
}

it('the published types hold for an app on Kysely 0.28, without skipLibCheck (needs the build)', async () => {
  const run = promisify(execFile)
  const args = [compiler(), '-p', join(here, 'kysely-0.28-types'), '--listFiles']
  const { stdout } = await run(process.execPath, args, { maxBuffer: 1 << 24 }).catch((error: unknown) => ({
    stdout: `failed: ${String(Reflect.get(Object(error), 'stdout'))}`,
  }))
  expect(stdout).not.toMatch(/^failed/)
  expect(stdout).toMatch(/kysely@0\.28\.\d+/)
  expect(stdout).not.toMatch(/kysely@0\.29/)
  expect(stdout).toContain(join('packages', 'kysely', 'dist', 'index.d.ts'))
}, 30_000)

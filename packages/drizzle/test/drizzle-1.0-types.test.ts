import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const here = dirname(fileURLToPath(import.meta.url))

/** The compiler's own file: what a package manager puts beside it is a shell script on one system, a .cmd on another. */
const compiler = (): string => {
  const require = createRequire(import.meta.url)
  return join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc')
}

/** What tsc prints, whatever it thinks of it. */
const typeCheck = (): Promise<string> => {
  const args = [compiler(), '-p', join(here, 'drizzle-1.0-types'), '--listFiles', '--pretty', 'false']
  return new Promise((resolve) => {
    execFile(process.execPath, args, { maxBuffer: 1 << 24 }, (_, stdout) => resolve(stdout))
  })
}

it('the published types hold for an app on Drizzle 1.0, without skipLibCheck (needs the build)', async () => {
  const lines = (await typeCheck()).split('\n')
  // Drizzle's own declarations of the drivers that are not here do not compile: they are not ours to mend.
  expect(lines.filter((line) => /error TS/.test(line) && !line.includes('node_modules'))).toEqual([])
  const files = lines.join('\n')
  expect(files).toMatch(/drizzle-orm@1\.0\.0-rc\.\d+/)
  expect(files).not.toMatch(/drizzle-orm@0\.45/)
  expect(files).toContain(join('packages', 'drizzle', 'dist', 'index.d.ts'))
}, 60_000)

import { mkdir, writeFile } from 'node:fs/promises'
import { run } from '../packaging/run.ts'

/** Installs packages by npm into a folder of their own, as an app would. Throws what npm says when it cannot. */
export async function install(folder: string, dependencies: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFile(
    `${folder}/package.json`,
    JSON.stringify({ name: 'app', private: true, type: 'module', dependencies }, undefined, 2),
  )
  const { code, output } = await run('npm', ['install', '--no-audit', '--no-fund', '--no-package-lock'], folder)
  if (code !== 0) throw new Error(`npm install failed: ${lastError(output)}`)
}

/** The newest version that the registry has of `name` in this major; those of PostgreSQL are all pre-releases, which no range takes. */
export async function newestOf(name: string, major: string): Promise<string | undefined> {
  const { code, output } = await run('npm', ['view', name, 'versions', '--json'], '.')
  if (code !== 0) throw new Error(`npm view ${name} failed: ${lastError(output)}`)
  const versions = JSON.parse(output.slice(output.indexOf('['), output.lastIndexOf(']') + 1)) as readonly string[]
  return versions.filter((version) => version.startsWith(`${major}.`)).at(-1)
}

function lastError(output: string): string {
  const lines = output.split('\n').filter((line) => line.startsWith('npm error'))
  return lines[0] ?? output.trim().slice(-300)
}

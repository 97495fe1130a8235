import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PackedPackage } from './packed-package.ts'
import { run } from './run.ts'

/** What `npm install` would do in an empty project. */
export interface NpmTree {
  readonly code: number
  readonly output: string
  /** The version of each package that it would install, by its path in node_modules. */
  readonly versions: Readonly<Record<string, string>>
}

/** What of a package.json npm decides by. */
interface Asks {
  readonly name: string
  readonly version: string
  readonly peerDependencies?: Readonly<Record<string, string>> | undefined
  readonly peerDependenciesMeta?: Readonly<Record<string, unknown>> | undefined
}

/**
 * Has npm resolve an empty project, in `folder`, that asks for the packed packages and for what is installed in the
 * folders `beside`, peers strictly. Of those npm is given what they ask of others, and no dependencies of their own, so
 * that nothing is downloaded.
 */
export async function npmTree(
  folder: string,
  packages: readonly PackedPackage[],
  beside: readonly (string | Asks)[],
): Promise<NpmTree> {
  const dependencies: Record<string, string> = {}
  for (const { manifest, tarball } of packages) dependencies[manifest.name] = `file:${tarball}`
  for (const it of beside) {
    const { name, version, peerDependencies, peerDependenciesMeta } =
      typeof it === 'string' ? (JSON.parse(await readFile(join(it, 'package.json'), 'utf8')) as Asks) : it
    // A folder would be passed over where it does not fit; a tarball is what an app asks for by its version.
    const stub = join(folder, 'beside', name)
    await mkdir(join(stub, 'package'), { recursive: true })
    const asks: Asks = { name, version, peerDependencies, peerDependenciesMeta }
    await writeFile(join(stub, 'package/package.json'), JSON.stringify(asks))
    const { code, output } = await run('tar', ['-czf', 'stub.tgz', 'package'], stub)
    if (code !== 0) throw new Error(`tar could not pack ${name}:\n${output}`)
    dependencies[name] = `file:${join(stub, 'stub.tgz')}`
  }
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'app', private: true, dependencies }))
  const flags = ['--package-lock-only', '--offline', '--strict-peer-deps', '--cache', 'cache']
  const { code, output } = await run('npm', ['install', ...flags], folder)
  if (code !== 0) return { code, output, versions: {} }
  const lock = JSON.parse(await readFile(join(folder, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version?: string }>
  }
  const installed = Object.entries(lock.packages).filter(([path]) => path.startsWith('node_modules/'))
  const versions = installed.map(([path, { version = '' }]) => [path.slice('node_modules/'.length), version])
  return { code, output, versions: Object.fromEntries(versions) }
}

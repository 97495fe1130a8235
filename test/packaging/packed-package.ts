import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { run, runPnpm } from './run.ts'

export const ROOT: string = resolve(import.meta.dirname, '../..')

/** What of a package.json matters to those who install it. */
export interface Manifest {
  readonly name: string
  readonly version: string
  readonly description?: string
  readonly keywords?: readonly string[]
  readonly license?: string
  readonly author?: string
  readonly type?: string
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  readonly bin?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>
}

/** A package as its users get it. */
export interface PackedPackage {
  /** Its folder in the repository. */
  readonly source: string
  readonly tarball: string
  /** Where the tarball was unpacked. */
  readonly folder: string
  readonly manifest: Manifest
  /** Every file in it, relative to `folder`, sorted. */
  readonly files: readonly string[]
}

/** Packs every package into `workFolder`, as a release would, and unpacks it there. Builds first where nothing is built. */
export async function packAll(workFolder: string): Promise<readonly PackedPackage[]> {
  const packages = (await readdir(join(ROOT, 'packages'))).map((name) => join(ROOT, 'packages', name))
  const sources = packages.filter((folder) => existsSync(join(folder, 'package.json')))
  if (sources.some((source) => !existsSync(join(source, 'dist')))) await build()
  const tarballs = join(workFolder, 'tarballs')
  const { code, output } = await runPnpm(['--filter', './packages/*', 'pack', '--pack-destination', tarballs], ROOT)
  if (code !== 0) throw new Error(`pnpm pack ended with ${code}:\n${output}`)
  return await Promise.all(sources.map((source) => unpack(source, tarballs, workFolder)))
}

async function build(): Promise<void> {
  const { code, output } = await runPnpm(['build'], ROOT)
  if (code !== 0) throw new Error(`pnpm build ended with ${code}:\n${output}`)
}

async function unpack(source: string, tarballs: string, workFolder: string): Promise<PackedPackage> {
  const { name, version } = JSON.parse(await readFile(join(source, 'package.json'), 'utf8')) as Manifest
  const tarball = join(tarballs, `${name.replace('@', '').replace('/', '-')}-${version}.tgz`)
  const folder = join(workFolder, 'node_modules', name)
  await mkdir(folder, { recursive: true })
  const { code, output } = await run('tar', ['-xzf', tarball, '--strip-components=1', '-C', folder], workFolder)
  if (code !== 0) throw new Error(`tar could not unpack ${tarball}:\n${output}`)
  const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return { source, tarball, folder, manifest, files: files.map((file) => file.slice(folder.length + 1)).sort() }
}

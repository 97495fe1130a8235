import { existsSync } from 'node:fs'
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type PackedPackage, ROOT } from './packed-package.ts'
import { type Outcome, runNode } from './run.ts'

/** What the READMEs use beside the packages and what those ask for. */
const BESIDE = [
  'hono',
  '@hono/node-server',
  'express',
  'koa',
  '@types/express',
  '@types/koa',
  'pg-cursor',
  '@types/pg-cursor',
]

/**
 * Makes an app of `folder`, in whose node_modules the unpacked packages are already. What they ask for is linked from
 * this repository, so that nothing is downloaded; from another folder of it where `instead` names one.
 */
export async function makeConsumer(
  folder: string,
  packages: readonly PackedPackage[],
  instead: Readonly<Record<string, string>> = {},
): Promise<void> {
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'app', private: true, type: 'module' }))
  const targets = new Map(BESIDE.map((name) => [name, join(ROOT, 'test/node_modules', name)]))
  targets.set('@types/node', join(ROOT, 'node_modules/@types/node'))
  for (const { source, manifest } of packages) {
    const { dependencies, optionalDependencies, peerDependencies } = manifest
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
      const target = join(source, 'node_modules', name)
      // Of the optional ones, those of other platforms are not here.
      if (!existsSync(join(folder, 'node_modules', name)) && existsSync(target)) targets.set(name, target)
    }
  }
  for (const [name, target] of Object.entries(instead)) targets.set(name, target)
  for (const [name, target] of targets) {
    const path = join(folder, 'node_modules', name)
    await mkdir(dirname(path), { recursive: true })
    await symlink(target, path, 'dir')
  }
}

/**
 * Loads `specifier` by `import` and by `require`, in a process of its own, and prints what each of them exports; nothing
 * for `require` where it is loaded by `import` only.
 */
export async function loadBothWays(folder: string, specifier: string, isByImportOnly = false): Promise<Outcome> {
  const script = `
    import { createRequire } from 'node:module'
    const imported = await import(${JSON.stringify(specifier)})
    const required = ${isByImportOnly} ? {} : createRequire(import.meta.url)(${JSON.stringify(specifier)})
    console.log(JSON.stringify({ imported: Object.keys(imported).sort(), required: Object.keys(required).sort() }))
  `
  const file = join(folder, 'load.mjs')
  await writeFile(file, script)
  return await runNode([file], folder)
}

/**
 * Type-checks the `.ts` files in `folder`, strictly, and every declaration of ours that they lead to: gives the errors.
 * Those in the declarations of others (Hono's need the DOM, Drizzle's each driver) are not ours to mend.
 */
export async function typeCheck(folder: string): Promise<readonly string[]> {
  const compilerOptions = {
    target: 'es2023',
    lib: ['es2023', 'esnext.disposable'],
    module: 'nodenext',
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
    types: ['node'],
  }
  const files = (await readdir(folder)).filter((name) => name.endsWith('.ts'))
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
  const { code, output } = await runNode([tsc, '-p', folder, '--pretty', 'false'], folder)
  const errors = output.split('\n').filter((line) => line.includes('error TS'))
  if (code !== 0 && errors.length === 0) throw new Error(`tsc ended with ${code}:\n${output}`)
  // What is linked from this repository lies outside of the folder.
  return errors.filter((line) => !line.startsWith('..'))
}

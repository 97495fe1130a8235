import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** The version of an installed package. */
export function versionOf(name: string): string {
  let folder = dirname(createRequire(import.meta.url).resolve(name))
  for (;;) {
    const manifest = manifestIn(folder)
    if (manifest?.version !== undefined && manifest.name !== undefined) return manifest.version
    if (folder === dirname(folder)) throw new Error(`the package ${name} has no package.json`)
    folder = dirname(folder)
  }
}

function manifestIn(folder: string): { name?: string; version?: string } | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name?: string; version?: string }
  } catch {
    return undefined
  }
}

import { readFileSync } from 'node:fs'
import { defineConfig, type Plugin } from 'rolldown'

/** What of a package.json says which modules a package has. */
interface Manifest {
  readonly exports: Readonly<Record<string, string | { readonly default: string }>>
  readonly bin?: Readonly<Record<string, string>>
}

/**
 * Bundles the package in whose folder it runs: a module for each entry, and what entries share in `dist/shared`.
 *
 * A process that starts pays for each file that it loads. The modules stay readable, and their source maps lead to the `src`
 * that is published beside them. Declarations are tsc's, file by file.
 */
const { exports, bin }: Manifest = JSON.parse(readFileSync('package.json', 'utf8'))
const targets = [
  ...Object.values(exports).flatMap((target) => (typeof target === 'string' ? [] : [target.default])),
  ...Object.values(bin ?? {}),
]
const entries = targets.map((target) => target.slice('./dist/'.length, -'.js'.length))

/** One character beyond it, and Node keeps and reads the whole module in two bytes for each: a message with an arrow doubles it. */
const inAscii: Plugin = {
  name: 'in-ascii',
  generateBundle: (_, output) => {
    for (const file of Object.values(output)) {
      if (file.type === 'chunk') file.code = file.code.replace(/[^\0-\x7f]/g, escapeOf)
    }
  },
}
const escapeOf = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`

export default defineConfig({
  input: Object.fromEntries(entries.map((entry) => [entry, `src/${entry}.ts`])),
  platform: 'node',
  plugins: [inAscii],
  // Everything that is no file of this package is installed beside it.
  external: /^[^./]/,
  output: {
    dir: 'dist',
    cleanDir: true,
    chunkFileNames: 'shared/[name].js',
    minifyInternalExports: false,
    sourcemap: true,
    sourcemapExcludeSources: true,
    // Those of exports are in the declarations, and all of them in src: here they would only be read at each start.
    comments: { jsdoc: false, annotation: true, legal: true },
  },
})

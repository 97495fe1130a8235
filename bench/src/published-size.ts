import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { rolldown } from 'rolldown'

/**
 * How many bytes a page or a function carries for these built modules: in one bundle with what they share of their own package,
 * minified, compressed. What they import of other packages is not in it.
 */
export async function publishedSize(modules: readonly URL[]): Promise<number> {
  const build = await rolldown({
    input: modules.map((module) => fileURLToPath(module)),
    platform: 'node',
    external: /^[^./]/,
  })
  try {
    const { output } = await build.generate({ format: 'esm', minify: true })
    const code = output.flatMap((file) => (file.type === 'chunk' ? [file.code] : []))
    return gzipSync(code.join('\n'), { level: 9 }).length
  } finally {
    await build.close()
  }
}

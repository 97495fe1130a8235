import { mkdir } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { CORPORA } from './corpora/index.ts'
import { judgeAll } from './judge-all.ts'
import { readCatalog } from './knowledge.ts'
import { renderOffences, renderTable } from './tally.ts'

/**
 * Puts every text of every corpus to a real hot standby and to its primary, and counts where `classify` was wrong.
 *
 * `--sample N` texts of each corpus at most, `--corpus NAME` (may be repeated), `--catalog` with what the database's
 * catalog tells about its functions, `--seed N` for what is grown, `--json`. Ends with 1 when a verdict is silently wrong.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      sample: { type: 'string' },
      corpus: { type: 'string', multiple: true },
      seed: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
      catalog: { type: 'boolean', default: false },
    },
  })
  const names = values.corpus ?? CORPORA.map(({ name }) => name)
  const unknown = names.find((name) => !CORPORA.some((corpus) => corpus.name === name))
  if (unknown !== undefined) {
    throw new RangeError(`no corpus is named ${unknown}; there are ${CORPORA.map(({ name }) => name).join(', ')}`)
  }
  const cacheFolder = cachePath()
  await mkdir(cacheFolder, { recursive: true, mode: 0o755 })
  const controller = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      process.exitCode = signal === 'SIGINT' ? 130 : 143
      controller.abort(new Error(`stopped by ${signal}`))
    })
  }
  const begin = performance.now()
  const { tallies, skipped } = await judgeAll({
    corpora: CORPORA.filter(({ name }) => names.includes(name)),
    cacheFolder,
    limit: wholeNumber('sample', values.sample) ?? Number.POSITIVE_INFINITY,
    seed: wholeNumber('seed', values.seed) ?? 1,
    signal: controller.signal,
    learn: values.catalog ? readCatalog : undefined,
    report: values.json ? () => undefined : (line) => console.error(line),
  })
  if (values.json) {
    const corpora = tallies.map(({ corpus, texts, counts, shown, accesses, failures, offences }) => ({
      corpus,
      texts,
      counts,
      shown,
      accesses,
      failures,
      offences,
    }))
    console.log(JSON.stringify({ corpora, skipped }, undefined, 2))
  } else {
    for (const tally of tallies)
      if (tally.offences.length > 0) console.log(`\n${tally.corpus}\n${renderOffences(tally)}`)
    console.log(`\n${renderTable(tallies)}`)
    for (const { name, reason } of skipped) console.log(`left out: ${name}: ${reason}`)
    console.log(`${((performance.now() - begin) / 1000).toFixed(1)} s`)
  }
  if (tallies.some(({ counts }) => counts.silent > 0)) process.exitCode ||= 1
}

/** Postgres, another user, reads data files in there: root's own cache would be closed to it. */
function cachePath(): string {
  if (process.getuid?.() === 0) return join(tmpdir(), 'headwater-judge')
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'headwater-judge')
}

function wholeNumber(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new RangeError(`--${option} is ${text}; expected a whole number above 0`)
}

try {
  await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode ||= 1
}

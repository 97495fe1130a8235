import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { type Corpus, CorpusUnavailable, independentTexts, type Surroundings } from '../corpus.ts'
import { debianPackages } from '../debian-source.ts'
import { cutScript } from '../psql-script.ts'
import { APP_SCHEMA, SCHEMA } from './schema.ts'

const run = promisify(execFile)
const LIMIT = 60_000

/** Random valid queries that sqlsmith makes for what an app has; it only prints them. */
export const sqlsmith: Corpus = over('sqlsmith', APP_SCHEMA)

/** The same over one of each: unlogged tables, views and functions that write, whose texts look like any other. */
export const sqlsmithOddities: Corpus = over('sqlsmith-oddities', SCHEMA)

function over(name: string, schema: string): Corpus {
  return {
    name,
    suites: async (surroundings) => [independentTexts(name, schema, await generate(schema, surroundings))],
  }
}

async function generate(
  schema: string,
  { cluster: { primary }, cacheFolder, limit, seed, signal }: Surroundings,
): Promise<readonly string[]> {
  const root = await debianPackages(['sqlsmith', 'libpqxx-6.4', 'libpq5'], cacheFolder, signal)
  await primary.query('create database judge_smith template template0')
  try {
    await arrange(primary.url, schema)
    const { stdout } = await run(
      join(root, 'usr/bin/sqlsmith'),
      [
        `--target=host=${primary.host} port=${primary.port} user=postgres dbname=judge_smith`,
        '--dry-run',
        '--exclude-catalog',
        `--max-queries=${Math.min(limit, 3000)}`,
        `--seed=${seed}`,
      ],
      {
        env: { ...process.env, LD_LIBRARY_PATH: join(root, 'usr/lib/x86_64-linux-gnu') },
        timeout: LIMIT,
        maxBuffer: 256 * 1024 * 1024,
        signal,
      },
    )
    const texts = cutScript(stdout, '.').map(({ sql }) => sql)
    if (texts.length === 0) throw new CorpusUnavailable('sqlsmith printed no query')
    return texts
  } catch (error) {
    if (signal.aborted || error instanceof CorpusUnavailable) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new CorpusUnavailable(`sqlsmith did not run: ${reason.split('\n').at(-2) ?? reason}`)
  } finally {
    await primary.query('drop database judge_smith with (force)')
  }
}

async function arrange(url: string, schema: string): Promise<void> {
  const target = new URL(url)
  target.pathname = '/judge_smith'
  const client = new pg.Client({ connectionString: target.href })
  await client.connect()
  try {
    await client.query(schema)
  } finally {
    await client.end()
  }
}

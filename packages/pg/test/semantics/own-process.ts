import { execFile } from 'node:child_process'
import pg from 'pg'
import type { Subject } from './row.ts'

const PATIENCE_MILLIS = 15_000

/** Runs a script with a pool in a process of its own: whether it ends by itself, or by an error that nobody caught. */
export function inOwnProcess(subject: Subject, options: pg.PoolConfig, script: string): Promise<string> {
  const { url } = subject.world.cluster.primary
  const place = { connectionString: url }
  const isBare = subject.open().constructor === pg.Pool
  const make = isBare
    ? `new (await import('pg')).default.Pool(${JSON.stringify({ ...place, ...options })})`
    : `new (await import('@headwater/pg')).RoutedPool(${JSON.stringify({ ...options, primary: place, replicas: [place] })})`
  const parameters = ['--conditions=dev-source', '--input-type=module', '-e', `const pool = ${make}\n${script}`]
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      parameters,
      { cwd: import.meta.dirname, timeout: PATIENCE_MILLIS },
      (error, _out, heard) => {
        if (error === null) resolve('lives')
        else resolve(error.killed === true ? 'never ends' : `ends: ${/^\w*[eE]rror: .*$/m.exec(heard)?.[0]}`)
      },
    )
  })
}

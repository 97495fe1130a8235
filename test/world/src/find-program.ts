import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** Where a program is: on the PATH, or where Debian has those of the system; `undefined` when it is not installed. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/usr/bin']
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

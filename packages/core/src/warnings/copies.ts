import { warn } from './warn.ts'

const COPIES = Symbol.for('headwater.copies.1')

/** Notes that a package was loaded from `url`, and this copy of core with it; warns of a second copy of either. */
export function noteCopy(name: string, url: string): void {
  note('@headwater/core', import.meta.url)
  note(name, url)
}

function note(name: string, url: string): void {
  const copies = theCopies()
  // A watcher of files loads one file again with another query.
  const [second] = url.split(/[?#]/)
  const first = copies.get(name)
  if (first === undefined || second === undefined || first === second) {
    if (first === undefined && second !== undefined) copies.set(name, second)
    return
  }
  warn('HEADWATER_TWO_COPIES', { name, first, second }, { about: name })
}

function theCopies(): Map<string, string> {
  const existing = Reflect.get(globalThis, COPIES) as Map<string, string> | undefined
  if (existing !== undefined) return existing
  const created = new Map<string, string>()
  Object.defineProperty(globalThis, COPIES, { value: created, enumerable: false })
  return created
}

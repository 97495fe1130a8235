import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'

/** Which files each file imports, types included. Paths are relative to the folder that was read. */
export type ImportGraph = ReadonlyMap<string, readonly string[]>

/** What a source text imports or re-exports, in any form, types included: `'./route.ts'`, `'pg'`. */
export function importsOf(source: string): string[] {
  // Docstrings show imports too. A line of a comment begins with //, /* or *.
  const code = source.replace(/^\s*(?:\/\/|\/?\*).*$/gm, '')
  const found = code.matchAll(/\b(?:from\s*|import\s*|import\s*\(\s*|new\s+URL\s*\(\s*)(['"])([^'"\n]+)\1/g)
  return [...found].map(([, , specifier = '']) => specifier)
}

/** The TypeScript files below a folder, with what they import: relative paths resolved, all else as it stands. */
export function readImports(folder: URL): ImportGraph {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => file.endsWith('.ts'))
    .sort()
  return new Map(
    files.map((file) => {
      const source = readFileSync(new URL(file, folder), 'utf8')
      const targets = importsOf(source).map((name) =>
        name.startsWith('.') ? posix.join(posix.dirname(file), name) : name,
      )
      return [file, [...new Set(targets)]]
    }),
  )
}

/** Groups of files of which each can reach each other by imports (Tarjan's strongly connected components), sorted. */
export function circlesIn(graph: ImportGraph): string[][] {
  const order = new Map<string, number>()
  const open: string[] = []
  const circles: string[][] = []
  /** Returns the earliest file that is still open and can be reached from this one. */
  const visit = (file: string): number => {
    const position = order.size
    order.set(file, position)
    open.push(file)
    let earliest = position
    for (const target of graph.get(file) ?? []) {
      if (!graph.has(target)) continue
      const known = order.get(target)
      if (known === undefined) earliest = Math.min(earliest, visit(target))
      else if (open.includes(target)) earliest = Math.min(earliest, known)
    }
    if (earliest === position) {
      const circle = open.splice(open.indexOf(file)).sort()
      if (circle.length > 1 || graph.get(file)?.includes(file)) circles.push(circle)
    }
    return earliest
  }
  for (const file of graph.keys()) if (!order.has(file)) visit(file)
  return circles.sort()
}

/** Rooms from the ground up. Rooms on one floor do not know each other; each may import what is below it. */
export type Floors = readonly (string | readonly string[])[]

/**
 * The imports that break the order of the rooms, as `file -> file (reason)`. A room is a folder, or a file by its name;
 * files of the folder itself that no floor names are the roof, which may import everything.
 */
export function wrongArrows(graph: ImportGraph, floors: Floors): string[] {
  const levels = new Map(
    floors.flatMap((minPosition, level) => [minPosition].flat().map((room) => [room, level] as const)),
  )
  const roomOf = (file: string): string => file.split('/')[0] ?? file
  const levelOf = (file: string): number | undefined =>
    levels.get(roomOf(file)) ?? (file.includes('/') ? undefined : floors.length)
  const wrong: string[] = []
  for (const [file, targets] of graph) {
    const from = levelOf(file)
    if (from === undefined) wrong.push(`${file} (its room is on no floor)`)
    for (const target of targets) {
      if (!graph.has(target) || roomOf(file) === roomOf(target)) continue
      const to = levelOf(target)
      if (from === undefined || to === undefined || (from === to && from === floors.length)) continue
      if (from < to) wrong.push(`${file} -> ${target} (upwards)`)
      else if (from === to) wrong.push(`${file} -> ${target} (rooms of one floor)`)
    }
  }
  return wrong
}

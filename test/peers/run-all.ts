import { join } from 'node:path'
import { type Field, fieldOf } from './contestants.ts'
import { render } from './render.ts'
import { type Column, runColumn } from './run.ts'
import { World } from './world.ts'

/** Where the page is. */
export const PAGE: string = join(import.meta.dirname, '../../docs/peers.md')

/** Runs every statement through each of them, one after the other, on one cluster. */
export async function runAll(): Promise<{
  readonly columns: readonly Column[]
  readonly page: string
  readonly unable: Field['unable']
}> {
  await using field = await fieldOf()
  await using world = await World.start()
  const columns: Column[] = []
  for (const contestant of field.contestants) columns.push(await runColumn(world, contestant))
  return { columns, page: render(columns, field.missing), unable: field.unable }
}

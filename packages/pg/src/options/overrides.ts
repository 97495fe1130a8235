import { OptionsInvalid } from '@headwater/core'
import type { Access } from '@headwater/core/internal'

const ACCESSES: Readonly<Record<Access, true>> = { read: true, unknown: true, session: true, write: true }

/**
 * Checks what the app says that its functions and views do.
 *
 * @throws {OptionsInvalid} naming the function and what was expected.
 */
export function checkOverrides(
  option: string,
  functions: Readonly<Record<string, Access>> | undefined,
): Readonly<Record<string, Access>> {
  if (functions === undefined) return Object.freeze({})
  if (typeof functions !== 'object' || functions === null || Array.isArray(functions)) {
    throw new OptionsInvalid(option, "expected an object such as { 'audit.touch': 'write' }")
  }
  for (const [name, access] of Object.entries(functions)) {
    if (typeof access === 'string' && Object.hasOwn(ACCESSES, access)) continue
    throw new OptionsInvalid(
      `${option}[${JSON.stringify(name)}]`,
      `${JSON.stringify(access)} is not an access; expected "read", "unknown", "session" or "write"`,
    )
  }
  return Object.freeze({ ...functions })
}

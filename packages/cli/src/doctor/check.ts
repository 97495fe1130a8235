/**
 * What a check came to. `ok`: it is as it should be. `note`: worth knowing. `warn`: it works, and costs something or will fail some day.
 * `bad`: something that the app relies on does not work. `warn` and `bad` are findings.
 */
export type Level = 'ok' | 'note' | 'warn' | 'bad'

/** One thing that was looked at. */
export interface Check {
  readonly level: Level
  /** What it is about: a server with what configures it, a variable, a package. */
  readonly about: string
  /** What is so. Never holds a secret. */
  readonly says: string
  /** What to do: names the variable, option or setting, and the value that it wants. */
  readonly cure?: string | undefined
}

/** Whether a check is a finding. */
export function isFinding({ level }: Check): boolean {
  return level === 'warn' || level === 'bad'
}

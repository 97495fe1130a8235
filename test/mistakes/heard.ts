/** A secret that every instance has. */
export const SECRET = 'a secret of 32 characters or more'

/** All that a pool and its middleware say. */
export class Heard {
  readonly said: string[] = []
  info = (line: string): void => void this.said.push(line)
  warn = (line: string): void => void this.said.push(line)
  /** The codes that were warned of. */
  get codes(): readonly string[] {
    return this.said.flatMap((line) => /HEADWATER_[A-Z_]+(?=: )/.exec(line) ?? [])
  }
}

/** What is said beside the line at the start. */
export const complaints = ({ said }: Heard): readonly string[] =>
  said.filter((line) => !/^headwater: \w+ → primary/.test(line))

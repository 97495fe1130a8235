/** The environment variables that are read; `process.env` in production. */
export type Environment = Readonly<Record<string, string | undefined>>

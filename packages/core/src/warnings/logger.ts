import { OptionsInvalid } from '../errors/options-invalid.ts'

/** Where a pool says what it has to say: `console`, a logger of pino, or anything with these two methods. */
export interface Logger {
  info(message: string): unknown
  warn(message: string): unknown
}

/** What a warning is about, for loggers that take fields. */
export type LogFields = Readonly<Record<string, string>>

/** What writes fields before the message, as pino and Fastify's `log` do. */
type FieldLogger = Record<'info' | 'warn', (fields: LogFields, message: string) => unknown>

/**
 * Checks the option `logger`.
 *
 * @throws {OptionsInvalid} when it is neither a logger nor `false`.
 */
export function parseLogger(value: unknown): Logger | false | undefined {
  if (value === undefined || value === false) return value
  if (isLogger(value)) return value
  throw new OptionsInvalid(
    'logger',
    'expected an object with the methods `info` and `warn`, such as console or a logger of pino; `false` is silent',
  )
}

/** Writes one line. What a logger throws is its own affair: nothing that it logs fails for it. */
export function log(logger: Logger, level: 'info' | 'warn', message: string, fields: LogFields = {}): void {
  try {
    if (takesFields(logger)) logger[level](fields, message)
    else logger[level](message)
  } catch {
    // There is nobody else to tell.
  }
}

function isLogger(value: unknown): value is Logger {
  const { info, warn } = Object(value) as Partial<Logger>
  return typeof info === 'function' && typeof warn === 'function'
}

/** Source: pino 9, `bindings()`; console, winston and consola have none. */
function takesFields(logger: object): logger is FieldLogger {
  return typeof Reflect.get(logger, 'bindings') === 'function'
}

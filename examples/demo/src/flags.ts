import { parseArgs } from 'node:util'
import { readVia, type Via } from '@headwater/example-local-world/via'

export interface Flags {
  /** Ends after the tour, with 0 or 1. */
  readonly isOnce: boolean
  /** The page's port; 0 asks the system for a free one. */
  readonly port: number
  /** Goes straight to the page. */
  readonly isWithoutTour: boolean
  /** What hands requests over. */
  readonly via: Via
  readonly wantsHelp: boolean
}

export const USAGE = `Usage: pnpm demo [--once] [--port 4100] [--no-tour] [--via fly|forward|nginx|haproxy]

  --once      run the tour and exit: 0 when everything held, 1 when something did not
  --port      port of the page; a free one when absent
  --no-tour   open the page without the tour (not together with --once)
  --via       what hands a request over to the primary's region: Fly's proxy (the default), the app itself, nginx, HAProxy
  --help      this text
`

/** Reads the command line. Throws a TypeError that says what is wrong with it. */
export function readFlags(argv: readonly string[]): Flags {
  const { values } = parseArgs({
    args: argv.filter((argument) => argument !== '--'),
    options: {
      once: { type: 'boolean', default: false },
      port: { type: 'string', default: '0' },
      'no-tour': { type: 'boolean', default: false },
      via: { type: 'string', default: 'fly' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const port = Number(values.port)
  if (values.port.trim() === '' || !Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new TypeError(`--port ${values.port} is not a port; expected 0 to 65535`)
  }
  if (values.once && values['no-tour']) throw new TypeError('--once is the tour; it cannot go together with --no-tour')
  const via = readVia(values.via)
  return { via, isOnce: values.once, port, isWithoutTour: values['no-tour'], wantsHelp: values.help }
}

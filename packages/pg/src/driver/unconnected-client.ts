import pg from 'pg'

/**
 * Makes a client that never connects: it says where one of this configuration leads, and how it would parse. The app's own
 * class and stream are not made for that.
 */
export function unconnectedClient(config: pg.PoolConfig): pg.Client {
  const { stream: _stream, ...own } = config
  // A spread loses what pg hides.
  return new pg.Client(config.password === undefined ? own : { ...own, password: config.password })
}

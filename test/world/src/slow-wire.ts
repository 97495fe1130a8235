import { openWire, type Wire } from '@headwater/cluster'

/** Opens a wire to a server on this machine over which each byte comes `oneWayMillis` late, each way: a round trip takes twice that. */
export async function openSlowWire(port: number, oneWayMillis: number): Promise<Wire> {
  const wire = await openWire({ host: '127.0.0.1', port })
  wire.slow({ latencyMillis: oneWayMillis })
  return wire
}

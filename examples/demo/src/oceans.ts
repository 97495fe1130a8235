import { Relay } from '@headwater/example-local-world/relay'
import type { RegionCode } from './regions.ts'
import { roundTrip } from './regions.ts'

/** The stretches of ocean between apps and databases, and between apps. A region that is down has none. */
export class Oceans implements AsyncDisposable {
  readonly #all: { readonly ends: readonly RegionCode[]; readonly relay: Relay }[] = []

  /** Opens the way from one region to a server in another. `to` is read when somebody connects: it may be filled in later. */
  async open(
    from: RegionCode,
    to: RegionCode,
    server: { readonly host: string; readonly port: number },
  ): Promise<Relay> {
    const relay = await Relay.open({ to: server, roundTripMs: roundTrip(from, to) })
    this.#all.push({ ends: [from, to], relay })
    return relay
  }

  /** Breaks what leads to or from these regions, and mends the rest. */
  setDown(down: readonly string[]): void {
    for (const { ends, relay } of this.#all) relay.setCut(ends.some((end) => down.includes(end)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map(({ relay }) => relay[Symbol.asyncDispose]()))
  }
}

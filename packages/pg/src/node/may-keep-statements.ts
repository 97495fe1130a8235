import { type EndpointTraits, isDirect } from '@headwater/core/internal'

/**
 * Whether what is known of an address leaves it possible that a session keeps what is prepared on it. Where a pooler shares sessions, each
 * statement may meet another one.
 */
export function mayKeepStatements(traits: EndpointTraits): boolean {
  return isDirect(traits) && traits.takesStartupOptions
}

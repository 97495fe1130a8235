/**
 * kysely-replication asks for Kysely 0.28 as a peer. The peer that it would be given here is the newest, which test/ and
 * bench/ have too; as a dependency it gets what it asks for. `packageExtensions` and `overrides` do not move a peer.
 */
export const hooks = {
  readPackage(manifest) {
    if (manifest.name === 'kysely-replication') {
      const { kysely, ...peerDependencies } = manifest.peerDependencies
      manifest.peerDependencies = peerDependencies
      manifest.dependencies = { ...manifest.dependencies, kysely }
    }
    return manifest
  },
}

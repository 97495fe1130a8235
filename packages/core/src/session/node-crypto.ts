type Crypto = typeof import('node:crypto')

let loaded: Crypto | undefined

/** `node:crypto`, when it is first needed: loading it takes as long as loading all the rest of core. */
export function nodeCrypto(): Crypto {
  loaded ??= process.getBuiltinModule('node:crypto')
  return loaded
}

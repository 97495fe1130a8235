import { currentScope } from './frame.ts'
import { getSecrets, positionIn, type TokenOptions } from './run-with-token.ts'

/**
 * Brings a token into the current scope (F8): from a query parameter, a webhook, another host, a store of tokens by user. Later reads in the
 * scope are never older than what it stands for, and in a request the answer's own token covers it, if the head is not sent yet.
 *
 * `token` may be a list with commas; of more than 256 tokens the last 256 count. One that is missing, forged or expired is ignored (F3).
 * Returns whether any counted. Outside a scope it does nothing and returns `false`: give the work a scope with `runWithToken()`.
 *
 * @throws {OptionsInvalid} without a secret.
 *
 * @example
 * app.get('/paid', async (c) => {
 *   see(c.req.query('token')) // the link was made with getToken() where the payment was written
 *   return c.json(await findOrder(c.req.query('order')))
 * })
 */
export function see(token: string | undefined, options: TokenOptions = {}): boolean {
  const secrets = getSecrets(options)
  const scope = currentScope()
  if (scope === undefined) return false
  const position = positionIn(token, secrets, 'token in see()')
  if (position === undefined) return false
  scope.session.see(position)
  return true
}

/** An adapter called the steps of a request's life in a wrong order: a mistake in its code, so it shows at once. */
export function adapterMisused(message: string): TypeError {
  return Object.assign(new TypeError(message), { code: 'HEADWATER_ADAPTER_MISUSED' })
}

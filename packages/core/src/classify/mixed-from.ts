/** Mixes the length of a text with some of its characters, from all over it; texts of one shape differ near their ends. */
export function mixedFrom(sql: string): number {
  const { length } = sql
  if (length < 8) return length
  const eighth = length >> 3
  let mixed = Math.imul(length, 31) + sql.charCodeAt(length - 1)
  mixed = Math.imul(mixed, 31) + sql.charCodeAt(length - 3)
  mixed = Math.imul(mixed, 31) + sql.charCodeAt(length - eighth)
  mixed = Math.imul(mixed, 31) + sql.charCodeAt(length - 2 * eighth)
  mixed = Math.imul(mixed, 31) + sql.charCodeAt(4 * eighth)
  mixed = Math.imul(mixed, 31) + sql.charCodeAt(2 * eighth)
  mixed = Math.imul(mixed, 31) + sql.charCodeAt(eighth)
  return mixed ^ (mixed >>> 15)
}

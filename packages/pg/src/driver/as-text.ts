/** Every value as Postgres prints it, whatever parsers the app has set. */
export const AS_TEXT: { readonly getTypeParser: () => (value: string) => string } = { getTypeParser: () => String }

/** The part of pg-cursor's class that streams need; its types are not imported, so that nobody must install it. */
export type CursorConstructor = new (
  text: string,
  values: unknown[],
) => {
  submit(connection: unknown): void
  read(rowCount: number): Promise<unknown[]>
  close(): Promise<void>
}

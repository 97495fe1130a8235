/** The part of pg-cursor's class that `stream()` uses; its types are not imported, so that no app must install it. */
export type CursorConstructor = new (
  text: string,
  values: unknown[],
) => {
  submit(connection: unknown): void
  read(rowCount: number): Promise<unknown[]>
  close(): Promise<void>
}

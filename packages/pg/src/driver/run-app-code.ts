/**
 * Runs code of the app in the middle of our own. As in pg, only the process hears of what it throws: our work must not stop halfway,
 * with a connection that nobody gives back.
 */
export function runAppCode(run: () => unknown): void {
  try {
    run()
  } catch (thrown) {
    process.nextTick(() => {
      throw thrown
    })
  }
}

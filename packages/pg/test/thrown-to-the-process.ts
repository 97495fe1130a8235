/** Runs `act`, and gives what is thrown to the process next: a process that handles it, as many do to log it, lives on. */
export async function thrownToTheProcess(act: () => unknown): Promise<unknown> {
  const others = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  try {
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('nothing was thrown to the process within 5 s')), 5_000)
      process.once('uncaughtException', (thrown) => {
        clearTimeout(timer)
        resolve(thrown)
      })
      act()
    })
  } finally {
    process.removeAllListeners('uncaughtException')
    for (const other of others) process.on('uncaughtException', other)
  }
}

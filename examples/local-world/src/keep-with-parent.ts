// Loaded into an app's process with `--import`: ends it, as Fly would, when the local world is gone, however that ended.
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
process.channel?.unref()

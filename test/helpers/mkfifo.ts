/** Makes a FIFO; node has no call for it. */
export function mkfifoSync(path: string): void {
	const { exitCode, stderr } = Bun.spawnSync(['mkfifo', path])
	if (exitCode !== 0) throw new Error(stderr.toString())
}

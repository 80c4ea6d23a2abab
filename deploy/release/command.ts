/** Runs a program of the system; throws what it said when it fails. Returns its standard output. */
export async function runCommand(
	command: readonly string[],
	options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<string> {
	const { cwd, env = {} } = options
	const child = Bun.spawn([...command], {
		...(cwd === undefined ? {} : { cwd }),
		env: { ...process.env, ...env },
		stdin: 'ignore',
		stdout: 'pipe',
		stderr: 'pipe',
	})
	const [status, output, errors] = await Promise.all([
		child.exited,
		new Response(child.stdout).text(),
		new Response(child.stderr).text(),
	])
	if (status === 0) return output
	throw new Error(`${command.join(' ')} ended with ${status}:\n${output}${errors}`)
}

/** Hex SHA-256 of a file. */
export async function sha256Of(path: string): Promise<string> {
	const hasher = new Bun.CryptoHasher('sha256')
	for await (const chunk of Bun.file(path).stream()) hasher.update(chunk)
	return hasher.digest('hex')
}

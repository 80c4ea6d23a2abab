/** Runs a command to its end; returns its standard output, throws what it printed when it fails. */
export async function run(
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

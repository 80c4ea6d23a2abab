/** Standard input and files as texts. */
import { messageOf } from '../../lib/errors.ts'
import { type CommandContext, CommandError, exitStatus } from '../command.ts'

/** Largest text that a command reads. */
const TEXT_BYTES_MAX = 256 * 2 ** 20

/** All of standard input, without the line end at its end. Throws CommandError when it cannot be read. */
export async function readInput({ openInput }: Pick<CommandContext, 'openInput'>): Promise<string> {
	const decoder = new TextDecoder()
	let text = ''
	let bytes = 0
	for await (const chunk of openInput() as AsyncIterable<Uint8Array>) {
		bytes += chunk.byteLength
		checkSize('standard input', bytes)
		text += decoder.decode(chunk, { stream: true })
	}
	return (text + decoder.decode()).replace(/\r?\n$/, '')
}

/** The text of a file; `-` is standard input. Throws CommandError when it cannot be read. */
export async function readText(
	path: string,
	context: Pick<CommandContext, 'openInput'>,
): Promise<string> {
	if (path === '-') return readInput(context)
	const file = Bun.file(path)
	try {
		checkSize(path, file.size)
		return await file.text()
	} catch (error) {
		if (error instanceof CommandError) throw error
		throw new CommandError(exitStatus.unreadable, `${path}: ${messageOf(error)}`)
	}
}

function checkSize(name: string, bytes: number): void {
	if (bytes <= TEXT_BYTES_MAX) return
	const problem = `${name}: expected at most ${TEXT_BYTES_MAX} bytes, got more`
	throw new CommandError(1, problem)
}

/* The executable for Windows under Wine, in a system of its own. */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand as run } from '../../deploy/release/command.ts'
import { tinyCheckpoint, toJsonForm } from '../helpers/tiny-checkpoint.ts'

/** What Bun asks Windows for and Wine 8 lacks: one function, by another of the same meaning. */
const RANDOM = `
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(BYTE *bytes, SIZE_T size) { return SystemFunction036(bytes, (ULONG)size); }
`
const SECRET = 'a-secret-for-tests'

export interface WineSystem {
	/** Of the program, on the drive C: with another working directory it hangs under Wine 8. */
	readonly directory: string
	readonly command: readonly string[]
	readonly env: Readonly<Record<string, string>>
	/** Absolute: Bun opens no directory by a relative path under Wine 8. */
	readonly checkpoints: string
}

/** A new system in a directory, with the executable. Needs wine and mingw. */
export async function makeWineSystem(directory: string, executable: string): Promise<WineSystem> {
	const prefix = join(directory, 'prefix')
	const env = { WINEPREFIX: prefix, WINEDEBUG: '-all' }
	mkdirSync(directory, { recursive: true })
	await runUnderWine(directory, ['wine', 'wineboot', '--init'], env)
	const program = join(prefix, 'drive_c/alpha')
	mkdirSync(join(program, 'checkpoints'), { recursive: true })
	cpSync(executable, join(program, 'alpha.exe'))
	const source = join(directory, 'random.c')
	writeFileSync(source, RANDOM)
	const library = join(program, 'bcryptprimitives.dll')
	await run(['x86_64-w64-mingw32-gcc', '-shared', '-o', library, source, '-ladvapi32'])
	return {
		directory: program,
		command: ['wine', 'C:\\alpha\\alpha.exe'],
		env,
		checkpoints: 'C:\\alpha\\checkpoints',
	}
}

/** Runs a command of it; returns what it writes. */
export async function askUnderWine(
	{ directory, command, env }: WineSystem,
	args: readonly string[],
): Promise<string> {
	return (await runUnderWine(directory, [...command, ...args], env)).replaceAll('\r\n', '\n')
}

/** Output goes to files: Wine's servers, which outlive the program, would hold pipes open. */
async function runUnderWine(
	directory: string,
	command: readonly string[],
	env: WineSystem['env'],
): Promise<string> {
	const [output, errors] = ['output', 'errors'].map((name) => Bun.file(join(directory, name)))
	const child = Bun.spawn([...command], {
		cwd: directory,
		env: { ...process.env, ...env },
		stdin: 'ignore',
		stdout: output!,
		stderr: errors!,
		timeout: 120_000,
	})
	const status = await child.exited
	if (status === 0) return output!.text()
	throw new Error(`${command.join(' ')} ended with ${status}: ${await errors!.text()}`)
}

/** Serves with it: an upload, a list and a stream. Throws what is wrong; ends the server. */
export async function serveUnderWine({
	directory,
	command,
	env,
	checkpoints,
}: WineSystem): Promise<void> {
	const args = ['serve', '--port=0', `--checkpoints=${checkpoints}`]
	const server = Bun.spawn([...command, ...args], {
		cwd: directory,
		env: { ...process.env, ...env, UPLOAD_SECRET: SECRET },
		stdin: 'ignore',
		stdout: 'pipe',
		stderr: 'ignore',
		timeout: 120_000,
		killSignal: 'SIGKILL',
	})
	try {
		const url = await addressOf(server.stdout)
		await upload(url)
		const models = await (await fetch(`${url}/v1/models`)).text()
		if (!models.includes('"uploaded"')) throw new Error(`an upload is not listed: ${models}`)
		const response = await fetch(`${url}/v1/chat/completions`, {
			method: 'POST',
			headers: { 'content-type': 'application/json' },
			body: JSON.stringify({
				model: 'novels-austen',
				messages: [{ role: 'user', content: 'She' }],
				max_tokens: 8,
				stream: true,
			}),
		})
		const stream = await response.text()
		if (!stream.endsWith('data: [DONE]\n\n')) throw new Error(`a stream ends with ${stream}`)
	} finally {
		server.kill('SIGKILL')
		// What the program has started lives on in Wine's own server.
		await runUnderWine(directory, ['wineserver', '--kill'], env).catch(() => '')
	}
}

async function addressOf(output: ReadableStream<Uint8Array>): Promise<string> {
	let text = ''
	const decoder = new TextDecoder()
	for await (const chunk of output) {
		text += decoder.decode(chunk, { stream: true })
		const [, url] = /listening on (http:\S+)/.exec(text) ?? []
		if (url !== undefined) return url
	}
	throw new Error(`it ended without listening: ${text}`)
}

async function upload(url: string): Promise<void> {
	const checkpoint = tinyCheckpoint()
	const config = JSON.stringify({ modelConfig: checkpoint.modelConfig })
	const response = await fetch(`${url}/api/upload`, {
		method: 'POST',
		headers: { authorization: `Bearer ${SECRET}`, 'content-type': 'application/json' },
		body: `{"name":"uploaded","config":${config},"step":${checkpoint.step},"checkpoint":${toJsonForm(checkpoint)}}`,
	})
	if (!response.ok)
		throw new Error(`an upload is answered ${response.status}: ${await response.text()}`)
}

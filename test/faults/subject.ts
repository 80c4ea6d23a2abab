/* A process of ours under strace, told what to do by lines. Needs Linux and the right to trace. */
import { join } from 'node:path'

const TRACER_EXIT_MS = 1000
const KILLED = /killed by SIGKILL/

/** True where strace may trace a process of ours. */
export function canInject(): boolean {
	try {
		return Bun.spawnSync(['strace', '-o', '/dev/null', 'true']).exitCode === 0
	} catch {
		return false
	}
}

/** Lines of a stream, one at a time. */
class LineReader {
	readonly #reader: ReadableStreamDefaultReader<Uint8Array>
	#text = ''

	constructor(stream: ReadableStream<Uint8Array>) {
		this.#reader = stream.getReader()
	}

	/** The next line that matches, or null at the end. */
	async next(pattern = /./): Promise<string | null> {
		for (;;) {
			const end = this.#text.indexOf('\n')
			if (end !== -1) {
				const line = this.#text.slice(0, end)
				this.#text = this.#text.slice(end + 1)
				if (pattern.test(line)) return line
				continue
			}
			const { value, done } = await this.#reader.read()
			if (done) return null
			this.#text += new TextDecoder().decode(value)
		}
	}
}

/** A process that faults are injected into, ready for commands. */
export class Subject {
	readonly #process: Bun.Subprocess<'pipe', 'pipe', 'inherit'>
	readonly #answers: LineReader

	private constructor(script: string, directory: string) {
		this.#process = Bun.spawn([process.execPath, join(import.meta.dir, script), directory], {
			stdin: 'pipe',
			stdout: 'pipe',
			stderr: 'inherit',
		})
		this.#answers = new LineReader(this.#process.stdout)
	}

	/** Starts a script of this folder over a checkpoints directory. */
	static async start(script: string, directory: string): Promise<Subject> {
		const started = new Subject(script, directory)
		await started.#answers.next(/^ready$/)
		return started
	}

	/** Sends a command; its answer, or null when the process has died. */
	async ask(command: string): Promise<string | null> {
		this.#process.stdin.write(`${command}\n`)
		await this.#process.stdin.flush()
		return this.#answers.next()
	}

	/**
	 * Runs `work` while strace injects, into calls on `files` only where some are named; says how often
	 * it did.
	 */
	async injecting(
		injection: string,
		work: () => Promise<string | null>,
		files: readonly string[] = [],
	) {
		const call = injection.split(':', 1)[0]!
		const { result, trace } = await this.#traced(call, [`inject=${injection}`], files, work)
		const isHit = (line: string) => line.includes('INJECTED') || KILLED.test(line)
		return { answer: result, injected: trace.filter(isHit).length }
	}

	/** Lines of strace about a call on `files` while `work` runs. */
	async tracing(
		call: string,
		files: readonly string[],
		work: () => Promise<string | null>,
	): Promise<readonly string[]> {
		const { trace } = await this.#traced(call, [], files, work)
		return trace.filter((line) => line.includes(`${call}(`))
	}

	async #traced(
		call: string,
		expressions: readonly string[],
		files: readonly string[],
		work: () => Promise<string | null>,
	) {
		const options = [
			...[`trace=${call}`, ...expressions].flatMap((expression) => ['-e', expression]),
			...files.flatMap((file) => ['-P', file]),
		]
		const tracer = Bun.spawn(['strace', '-f', ...options, '-p', `${this.#process.pid}`], {
			stdin: 'ignore',
			stdout: 'ignore',
			stderr: 'pipe',
		})
		const lines = new LineReader(tracer.stderr)
		if ((await lines.next(/attached/)) === null) throw new Error('strace could not attach')
		const result = await work()
		tracer.kill('SIGINT')
		const giveUp = setTimeout(() => tracer.kill('SIGKILL'), TRACER_EXIT_MS)
		const trace: string[] = []
		for (let line = await lines.next(); line !== null; line = await lines.next()) {
			trace.push(line)
			// Strace does not always notice that all it traced has been killed.
			if (result === null && KILLED.test(line)) tracer.kill('SIGKILL')
		}
		await tracer.exited
		clearTimeout(giveUp)
		return { result, trace }
	}

	async stop(): Promise<void> {
		this.#process.kill('SIGKILL')
		await this.#process.exited
	}
}

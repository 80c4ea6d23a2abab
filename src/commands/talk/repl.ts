/** A conversation at a terminal: lines with history, answers as they come, `/` commands. */
import { createInterface, type Interface } from 'node:readline'
import { messageOf } from '../../lib/errors.ts'
import type { ModelLease } from '../../models/catalog.ts'
import { type CommandContext, exitStatus } from '../command.ts'
import { terminalText } from '../output.ts'
import { type OptionTable, suggestion, UsageError } from '../settings/option.ts'
import { Conversation } from './conversation.ts'
import { textPieces } from './local-model.ts'
import { type TalkSettings, talkOptions } from './talk-options.ts'

/** Lines that the arrow keys bring back; they are kept nowhere else. */
const HISTORY_LINES = 500

/** Begins and ends a text of several lines. */
const BLOCK_MARK = '"""'

const HELP = `/set                  show what can be set
/set NAME VALUE       for instance /set temperature 0.5, /set seed random, /set system Be brief.
/clear                forget what was said
/help                 this text
/bye                  end, as Ctrl-D does
${BLOCK_MARK}                   before and behind a text of several lines
Ctrl-C                stops an answer, empties the line, or ends
`

/** Talks until somebody ends it; the exit status. */
export async function talk(
	lease: ModelLease,
	given: TalkSettings,
	context: CommandContext,
): Promise<number> {
	const conversation = new Conversation(lease)
	let settings = given
	using lines = new TypedLines(context)
	void context.stopRequested.then((status) => lines.end(status))
	context.print(greeting(lease.id, conversation.isChat))
	for (;;) {
		const line = await lines.next()
		if (line === null) return lines.status
		const [word = '', ...rest] = line.trim().split(/\s+/)
		if (!word.startsWith('/')) {
			// Only a text has something to go on with.
			if (line.trim() === '' && conversation.isChat) continue
			await answer(lease, line, { settings, conversation, lines, context })
			continue
		}
		if (word === '/bye' || word === '/exit' || word === '/quit') return 0
		if (word === '/help' || word === '/?') context.print(HELP)
		else if (word === '/clear') conversation.clear()
		else if (word === '/set') settings = set(settings, rest, context)
		else context.print(`unknown command ${word}${suggestion(word, COMMANDS)}: /help lists them\n`)
	}
}

const COMMANDS = ['/set', '/clear', '/help', '/bye']

function greeting(model: string, isChat: boolean): string {
	const how = isChat
		? ''
		: 'It was not trained on conversations: it goes on with what you write, on an empty line with its own text.\n'
	return `${model}: /help lists the commands, Ctrl-D ends.\n${how}`
}

interface Talk {
	readonly settings: TalkSettings
	readonly conversation: Conversation
	readonly lines: TypedLines
	readonly context: CommandContext
}

async function answer(
	lease: ModelLease,
	line: string,
	{ settings, conversation, lines, context }: Talk,
): Promise<void> {
	using interruption = lines.interruption()
	let said = ''
	try {
		const request = await conversation.ask(line, settings)
		for await (const text of textPieces(lease, request, interruption.signal)) {
			said += text
			context.print(terminalText(text))
		}
	} catch (error) {
		context.warn(`${messageOf(error)}\n`)
	}
	if (said !== '') conversation.record(line, said)
	context.print('\n')
}

/** The settings after `/set NAME VALUE`; shows them where nothing is set. */
function set(
	settings: TalkSettings,
	[name, ...words]: readonly string[],
	{ print }: CommandContext,
): TalkSettings {
	const table: OptionTable = talkOptions
	const rows = Object.entries(table).map(([key, option]) => {
		return { key, name: option.flag!.slice('--'.length), option }
	})
	if (name === undefined) {
		const values: Readonly<Record<string, unknown>> = settings
		for (const { key, name: shown, option } of rows) {
			print(`${shown.padEnd(12)} ${values[key] ?? option.defaultText}\n`)
		}
		return settings
	}
	const row = rows.find((candidate) => candidate.name === name.replaceAll('_', '-'))
	const names = rows.map((each) => each.name)
	if (row === undefined) {
		print(`unknown setting ${name}${suggestion(name, names)}: ${names.join(', ')}\n`)
		return settings
	}
	const text = words.join(' ')
	try {
		const value =
			text === '' || text === 'random' ? row.option.defaultValue : row.option.parse(text)
		return { ...settings, [row.key]: value }
	} catch (error) {
		if (!(error instanceof UsageError)) throw error
		print(`${name}: ${error.message}\n`)
		return settings
	}
}

/** Lines from a terminal, those typed ahead included, and what Ctrl-C means at each moment. */
class TypedLines implements Disposable {
	/** Of the command, once there are no more lines. */
	status = 0
	readonly #interface: Interface
	readonly #typed: string[] = []
	#wake: (() => void) | null = null
	#hasEnded = false
	#block: string[] | null = null
	#interrupted: AbortController | null = null

	constructor({ openInput, screen }: CommandContext) {
		this.#interface = createInterface({
			input: openInput(),
			output: screen,
			terminal: true,
			historySize: HISTORY_LINES,
		})
		this.#interface.on('line', (line) => this.#take(line))
		this.#interface.on('SIGINT', () => this.#interrupt())
		this.#interface.on('close', () => this.end(0))
	}

	/** The next line or block; null after the last. */
	async next(): Promise<string | null> {
		for (;;) {
			const line = this.#typed.shift()
			if (line !== undefined) return line
			if (this.#hasEnded) return null
			this.#interface.setPrompt(this.#block === null ? '>>> ' : '... ')
			this.#interface.prompt()
			await new Promise<void>((resolve) => {
				this.#wake = resolve
			})
		}
	}

	/** While it is held, Ctrl-C aborts its signal. */
	interruption(): Disposable & { readonly signal: AbortSignal } {
		const controller = new AbortController()
		this.#interrupted = controller
		if (this.#hasEnded) controller.abort()
		return {
			signal: controller.signal,
			[Symbol.dispose]: () => {
				this.#interrupted = null
			},
		}
	}

	end(status: number): void {
		if (this.#hasEnded) return
		this.#hasEnded = true
		this.status = status
		this.#interrupted?.abort()
		this.#wake?.()
	}

	[Symbol.dispose](): void {
		this.#interface.close()
	}

	#take(line: string): void {
		if (this.#block !== null) {
			this.#block.push(line)
		} else if (line.startsWith(BLOCK_MARK)) {
			this.#block = [line.slice(BLOCK_MARK.length)]
		} else {
			this.#typed.push(line)
		}
		const last = this.#block?.at(-1)
		if (this.#block !== null && last?.endsWith(BLOCK_MARK)) {
			const lines = [...this.#block.slice(0, -1), last.slice(0, -BLOCK_MARK.length)]
			this.#typed.push(lines.join('\n').trim())
			this.#block = null
		}
		this.#wake?.()
	}

	#interrupt(): void {
		const { line } = this.#interface
		if (this.#interrupted !== null) this.#interrupted.abort()
		else if (line !== '' || this.#block !== null) this.#clearLine()
		else this.end(exitStatus.interrupted)
	}

	#clearLine(): void {
		this.#block = null
		// To the end of the line, then all before it.
		this.#interface.write(null, { ctrl: true, name: 'e' })
		this.#interface.write(null, { ctrl: true, name: 'u' })
		this.#interface.setPrompt('>>> ')
		this.#interface.prompt()
	}
}

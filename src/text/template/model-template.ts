/* A model's own chat template: messages → the text that the model was trained to see. */
import { Environment, parse, tokenize } from '@huggingface/jinja'
import type { ChatTemplateSource } from '../../tokenizer/chat-template-source.ts'
import { LimitedInterpreter } from './limited-interpreter.ts'
import { type ProgramNodes, programNodes } from './program-nodes.ts'
import { TemplateError } from './template-error.ts'

/** Most items of `range`. */
const RANGE_MAX = 10_000
/** UTF-16 units of a template's own message that are passed on. */
const MESSAGE_LENGTH_MAX = 400

/** What a template sees of a conversation; plain JSON. */
export interface TemplateInput {
	readonly messages: readonly Readonly<Record<string, unknown>>[]
	/** As requests have them; null = none. */
	readonly tools: readonly unknown[] | null
	readonly addGenerationPrompt: boolean
	/** Further variables. */
	readonly variables: Readonly<Record<string, unknown>>
}

/** A parsed template. */
export class ModelTemplate {
	readonly #program: ReturnType<typeof parse>
	readonly #nodes: ProgramNodes
	readonly #tokens: Readonly<Record<string, string>>

	/** Throws TemplateError. */
	constructor(text: string, tokens: ChatTemplateSource['tokens']) {
		try {
			const options = { lstrip_blocks: true, trim_blocks: true }
			this.#program = parse(tokenize(withoutGenerationMarks(text), options))
			this.#nodes = programNodes(this.#program)
		} catch (error) {
			throw new TemplateError(`it cannot be parsed: ${reasonOf(error)}`)
		}
		this.#tokens = tokens
	}

	/** Throws TemplateError: with the template's own message where it raises one. */
	render({ messages, tools, addGenerationPrompt, variables }: TemplateInput): string {
		const environment = new Environment()
		const globals = {
			...GLOBALS,
			...this.#tokens,
			documents: null,
			...variables,
			messages,
			tools,
			add_generation_prompt: addGenerationPrompt,
		}
		try {
			for (const [name, value] of Object.entries(globals)) environment.set(name, value)
			const interpreter = new LimitedInterpreter(environment, this.#nodes)
			const { value } = interpreter.run(this.#program)
			if (typeof value !== 'string') throw new TemplateError('it makes no text')
			return value.toWellFormed()
		} catch (error) {
			throw new TemplateError(reasonOf(error))
		}
	}
}

const GLOBALS = {
	true: true,
	false: false,
	none: null,
	True: true,
	False: false,
	None: null,
	range: rangeOf,
	raise_exception(message: unknown) {
		throw new TemplateError(String(message))
	},
	strftime_now: (format: unknown) => formatTime(new Date(), String(format)),
}

function rangeOf(first: unknown, second?: unknown, third: unknown = 1): number[] {
	const [start, stop] = second === undefined ? [0, first] : [first, second]
	const numbers = [start, stop, third].map(Number)
	const [from, to, step] = numbers as [number, number, number]
	if (!numbers.every(Number.isInteger) || step === 0) {
		throw new TemplateError('range: expected integers and a step other than 0')
	}
	const length = Math.max(0, Math.ceil((to - from) / step))
	if (length > RANGE_MAX) throw new TemplateError(`range: expected at most ${RANGE_MAX} items`)
	return Array.from({ length }, (_, i) => from + i * step)
}

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const MONTHS = [
	...['January', 'February', 'March', 'April', 'May', 'June'],
	...['July', 'August', 'September', 'October', 'November', 'December'],
]

/** Python's strftime with English names. */
function formatTime(time: Date, format: string): string {
	const two = (value: number) => String(value).padStart(2, '0')
	const parts: Readonly<Record<string, string>> = {
		'%Y': String(time.getFullYear()),
		'%y': two(time.getFullYear() % 100),
		'%m': two(time.getMonth() + 1),
		'%d': two(time.getDate()),
		'%e': String(time.getDate()).padStart(2, ' '),
		'%H': two(time.getHours()),
		'%I': two(time.getHours() % 12 || 12),
		'%p': time.getHours() < 12 ? 'AM' : 'PM',
		'%M': two(time.getMinutes()),
		'%S': two(time.getSeconds()),
		'%B': MONTHS[time.getMonth()]!,
		'%b': MONTHS[time.getMonth()]!.slice(0, 3),
		'%A': DAYS[time.getDay()]!,
		'%a': DAYS[time.getDay()]!.slice(0, 3),
		'%%': '%',
	}
	return format.replaceAll(/%./g, (part) => {
		const text = parts[part]
		if (text === undefined) throw new TemplateError(`strftime_now: ${part} is not known here`)
		return text
	})
}

/** Marks around what an assistant wrote, for trainers: they change no text. */
function withoutGenerationMarks(text: string): string {
	return text
		.replaceAll(/\{%(-?)\s*generation\s*(-?)%\}/g, '{%$1 if true $2%}')
		.replaceAll(/\{%(-?)\s*endgeneration\s*(-?)%\}/g, '{%$1 endif $2%}')
}

function reasonOf(error: unknown): string {
	if (error instanceof RangeError) return 'it lies too deep, or asks for too much memory'
	const message = error instanceof Error ? error.message : String(error)
	return message.slice(0, MESSAGE_LENGTH_MAX)
}

/*
 * The interpreter of @huggingface/jinja, held to an amount of work. A template is a program of whoever
 * trained the model: it may loop for ever, and one expression of it may ask for gigabytes.
 */
import { type Environment, Interpreter } from '@huggingface/jinja'
import { findUse, isTextFilter, type ProgramNodes, type TemplateNode } from './program-nodes.ts'
import { pythonText, type TemplateValue } from './python-text.ts'
import { TemplateError } from './template-error.ts'

/** Most characters and items of one value, those within it included. */
const VALUE_SIZE_MAX = 2 ** 22
/** Most items of one array. */
const ITEMS_MAX = 2 ** 16
/** Units of work of one rendering: an expression is one, and so are 64 characters or one item that it reads. */
const WORK_MAX = 2 ** 18
const CHARACTERS_A_UNIT = 64
/** Units of a turn of a loop, beside what its body takes. */
const ITEM_UNITS = 4
/** Expressions within each other, calls of macros included. */
const DEPTH_MAX = 400
/** Blanks by which a text is indented, or a JSON value; levels of JSON have at most as many. */
const INDENT_MAX = 32
/** Most characters and items of a JSON value that is written with indents, or with separators of its own. */
const INDENTED_SIZE_MAX = 2 ** 17

/** Interprets one rendering of a template whose nodes were collected by `programNodes`. */
export class LimitedInterpreter extends Interpreter {
	readonly #nodes: ProgramNodes
	readonly #sizes = new WeakMap<object, number>()
	#work = 0
	#depth = 0

	constructor(environment: Environment, nodes: ProgramNodes) {
		super(environment)
		this.#nodes = nodes
	}

	/** Throws TemplateError where a limit is met. */
	override evaluate(...args: Parameters<Interpreter['evaluate']>) {
		const [statement, environment] = args
		if (statement instanceof Known) return statement.known
		this.#spend(1)
		if (++this.#depth > DEPTH_MAX) {
			throw new TemplateError(`expressions and macros lie more than ${DEPTH_MAX} deep`)
		}
		const node = statement as unknown as TemplateNode | undefined
		const checked = node === undefined ? node : this.#checked(node, environment)
		const value = super.evaluate(checked as typeof statement, environment)
		this.#depth--
		if (node?.type === 'MemberExpression' && value.type === 'FunctionValue')
			this.#expectCalled(node)
		const size = this.#sizeOf(value)
		if (size > VALUE_SIZE_MAX) {
			throw new TemplateError(`a value has more than ${VALUE_SIZE_MAX} characters and items`)
		}
		if (this.#nodes.outputs.has(node) && typeof value.value !== 'string') {
			return super.evaluate(
				{ type: 'StringLiteral', value: pythonText(value) } as never,
				environment,
			)
		}
		if (this.#nodes.loopSources.has(node) && Array.isArray(value.value)) {
			this.#spend(ITEM_UNITS * value.value.length)
		}
		if (this.#nodes.consumed.has(node) || MAKING.has(node?.type ?? ''))
			this.#spend(workOf(value, size))
		return value
	}

	#spend(units: number): void {
		this.#work += units
		if (this.#work > WORK_MAX) {
			throw new TemplateError(`it takes more than ${WORK_MAX} steps`)
		}
	}

	/** Characters and items of a value. Arrays and objects do not change once they are made; namespaces do. */
	#sizeOf(value: TemplateValue, depth = 0): number {
		const { value: content } = value
		if (typeof content === 'string') return content.length
		if (typeof content !== 'object' || content === null) return 1
		const known = this.#sizes.get(content)
		if (known !== undefined) return known
		if (depth > DEPTH_MAX) throw new TemplateError(`values lie more than ${DEPTH_MAX} deep`)
		let size = 1
		if (Array.isArray(content)) {
			if (content.length > ITEMS_MAX) {
				throw new TemplateError(`an array has more than ${ITEMS_MAX} items`)
			}
			for (const item of content) size += this.#sizeOf(item, depth + 1)
		} else if (content instanceof Map) {
			for (const [key, item] of content) size += String(key).length + this.#sizeOf(item, depth + 1)
		}
		if (value.type !== 'NamespaceValue') this.#sizes.set(content, size)
		return size
	}

	/**
	 * Refuses what would make a huge value in one step, before it is made. What had to be evaluated for that
	 * is known to the node that is returned, so that nothing is evaluated twice.
	 */
	#checked(node: TemplateNode, environment: Environment): TemplateNode {
		const known = (expression: TemplateNode) =>
			new Known(this.evaluate(expression as never, environment))
		if (node.type === 'BinaryExpression' && (node['operator'] as TemplateNode)['value'] === '~') {
			const sides = [node['left'], node['right']].map((side) => known(side as TemplateNode).known)
			return { type: 'StringLiteral', value: sides.map(pythonText).join('') }
		}
		if (isTextFilter(node)) {
			const operand = known(node['operand'] as TemplateNode)
			// As in Jinja, what is not defined is the empty text.
			const isUndefined = operand.known.type === 'UndefinedValue'
			const isString = (node['filter'] as TemplateNode)['value'] === 'string'
			if (!isUndefined && !isString) return { ...node, operand }
			const text = { type: 'StringLiteral', value: pythonText(operand.known) }
			return isString ? text : { ...node, operand: text }
		}
		const use = findUse(node)
		if (use === null) return node
		const subject = known(use.subject)
		const args = use.args.map((arg) => {
			if (arg.type.endsWith('SpreadExpression')) {
				throw new TemplateError(`${use.name}: arguments are written one by one`)
			}
			const isNamed = arg.type === 'KeywordArgumentExpression'
			const value = known(isNamed ? (arg['value'] as TemplateNode) : arg)
			return { value, node: isNamed ? { ...arg, value } : value }
		})
		this.#expectModest(
			use.name,
			subject.known,
			args.map(({ value }) => value.known),
		)
		return use.rebuild(
			subject,
			args.map((arg) => arg.node),
		)
	}

	/** A method that went elsewhere would be called unchecked. */
	#expectCalled(node: TemplateNode): void {
		if (node['isChecked'] === true || this.#nodes.callees.has(node)) return
		throw new TemplateError('methods are called by their names, where they are named')
	}

	#expectModest(name: string, subject: TemplateValue, args: readonly TemplateValue[]): void {
		const size = this.#sizeOf(subject)
		const sizes = args.map((arg) => this.#sizeOf(arg))
		switch (name) {
			case 'replace': {
				const [old = 0, replacement = 0] = sizes
				expectSize(size + (size / Math.max(1, old) + 1) * replacement)
				return
			}
			case 'join':
				expectSize(size + size * Math.max(0, ...sizes))
				return
			case 'split':
				if (typeof subject.value === 'string') expectParts(subject.value, args[0]?.value)
				return
			case 'tojson':
			case 'indent':
				if (args.length === 0) return
				expectSize(size, INDENTED_SIZE_MAX)
				for (const [i, { value }] of args.entries()) {
					if ((typeof value === 'number' ? value : sizes[i]!) > INDENT_MAX) {
						throw new TemplateError(`${name}: an argument is above ${INDENT_MAX}`)
					}
				}
				return
		}
	}
}

/** An expression that has been evaluated. */
class Known {
	readonly type = 'Known'
	readonly known: ReturnType<Interpreter['evaluate']>

	constructor(known: ReturnType<Interpreter['evaluate']>) {
		this.known = known
	}
}

/** Expressions whose result is made anew. */
const MAKING = new Set([
	'BinaryExpression',
	'FilterExpression',
	'CallExpression',
	'For',
	'CallStatement',
])

function workOf({ value }: TemplateValue, size: number): number {
	const items = Array.isArray(value) ? value.length : 0
	return items + size / CHARACTERS_A_UNIT
}

function expectSize(size: number, max = VALUE_SIZE_MAX): void {
	if (size <= max) return
	throw new TemplateError(`a value would have more than ${max} characters and items`)
}

function expectParts(text: string, separator: unknown): void {
	if (typeof separator !== 'string' || separator === '') {
		if (text.length > 2 * ITEMS_MAX) expectSize(text.length, 2 * ITEMS_MAX)
		return
	}
	let count = 1
	for (
		let at = text.indexOf(separator);
		at >= 0;
		at = text.indexOf(separator, at + separator.length)
	) {
		if (++count > ITEMS_MAX) throw new TemplateError(`an array has more than ${ITEMS_MAX} items`)
	}
}

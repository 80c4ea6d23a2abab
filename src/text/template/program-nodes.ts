/* What a parsed template consists of, as far as the limits of its interpreter must know. */
import { TemplateError } from './template-error.ts'

/** A node of a parsed template; its other fields depend on its type. */
export interface TemplateNode {
	readonly type: string
	readonly [field: string]: unknown
}

/** Fields that hold statements, expressions to be written among them. */
const BODIES = ['body', 'alternate', 'defaultBlock']
const STATEMENTS = new Set([
	...['Program', 'Set', 'If', 'For', 'Macro', 'CallStatement', 'FilterStatement', 'Comment'],
	...['Break', 'Continue', 'StringLiteral'],
])

/** Filters that look at one item at most. */
const QUICK_FILTERS = new Set(['length', 'first', 'last', 'list', 'safe'])

/** Nodes of a program that the limits must know. */
export interface ProgramNodes {
	/** Their values are read as a whole: what loops, filters, methods, operators and slices work on. */
	readonly consumed: ReadonlySet<unknown>
	/** Those among them that loops go through. */
	readonly loopSources: ReadonlySet<unknown>
	/** Methods by their names, where they are called. */
	readonly callees: ReadonlySet<unknown>
	/** Expressions whose values are written. */
	readonly outputs: ReadonlySet<unknown>
}

/** Throws TemplateError for what the interpreter's limits do not cover. */
export function programNodes(program: unknown): ProgramNodes {
	const consumed = new Set<unknown>()
	const loopSources = new Set<unknown>()
	const callees = new Set<unknown>()
	const outputs = new Set<unknown>()
	const visitNode = (node: TemplateNode): void => {
		for (const field of BODIES) {
			const statements = (node[field] ?? []) as readonly TemplateNode[]
			for (const each of statements) if (!STATEMENTS.has(each.type)) outputs.add(each)
		}
		switch (node.type) {
			case 'FilterStatement':
				throw new TemplateError('filter blocks are not read here')
			case 'For': {
				const source = node['iterable'] as TemplateNode
				const items = source.type === 'SelectExpression' ? source['lhs'] : source
				consumed.add(items)
				loopSources.add(items)
				return
			}
			case 'FilterExpression':
				if (!QUICK_FILTERS.has(String((node['filter'] as TemplateNode)['value']))) {
					consumed.add(node['operand'])
				}
				return
			case 'BinaryExpression':
				consumed.add(node['left']).add(node['right'])
				return
			case 'CallExpression': {
				const callee = node['callee'] as TemplateNode
				consumed.add(callee['object'])
				const property = callee['property'] as TemplateNode | undefined
				if (callee['computed'] !== true || property?.type === 'StringLiteral') callees.add(callee)
				return
			}
			case 'MemberExpression':
				if ((node['property'] as TemplateNode).type === 'SliceExpression')
					consumed.add(node['object'])
				return
		}
	}
	const visit = (value: unknown): void => {
		if (Array.isArray(value)) {
			for (const item of value) visit(item)
		} else if (value instanceof Map) {
			for (const entry of value) visit(entry)
		} else if (typeof value === 'object' && value !== null) {
			visitNode(value as TemplateNode)
			for (const field of Object.values(value)) visit(field)
		}
	}
	visit(program)
	consumed.delete(undefined)
	return { consumed, loopSources, callees, outputs }
}

/** A use of a filter or method that can make much out of little. */
export interface GuardedUse {
	readonly name: string
	readonly subject: TemplateNode
	readonly args: readonly TemplateNode[]
	/** The same with other nodes for subject and arguments. */
	rebuild(subject: unknown, args: readonly unknown[]): TemplateNode
}

const GUARDED = new Set(['replace', 'join', 'split', 'indent', 'tojson'])

export function findUse(node: TemplateNode): GuardedUse | null {
	if (node.type === 'FilterExpression') {
		const filter = node['filter'] as TemplateNode
		const isCall = filter.type === 'CallExpression'
		const name = guardedName(isCall ? filter['callee'] : filter)
		if (name === null) return null
		return {
			name,
			subject: node['operand'] as TemplateNode,
			args: (isCall ? filter['args'] : []) as readonly TemplateNode[],
			rebuild: (operand, args) => ({
				...node,
				operand,
				filter: isCall ? { ...filter, args } : filter,
			}),
		}
	}
	if (node.type !== 'CallExpression') return null
	const callee = node['callee'] as TemplateNode
	const name = guardedName(callee['property'])
	if (name === null) return null
	return {
		name,
		subject: callee['object'] as TemplateNode,
		args: node['args'] as readonly TemplateNode[],
		rebuild: (object, args) => ({ ...node, callee: { ...callee, object, isChecked: true }, args }),
	}
}

const TEXT_FILTERS = new Set(['trim', 'length', 'upper', 'lower', 'string', 'title', 'capitalize'])

/** A filter of a text, to which what is not defined is the empty one. */
export function isTextFilter(node: TemplateNode): boolean {
	if (node.type !== 'FilterExpression') return false
	const filter = node['filter'] as TemplateNode
	return filter.type === 'Identifier' && TEXT_FILTERS.has(String(filter['value']))
}

function guardedName(node: unknown): string | null {
	const name = (node as TemplateNode | undefined)?.['value']
	return typeof name === 'string' && GUARDED.has(name) ? name : null
}

import { isRecord } from '../lib/json.ts'
import { expected, list, record } from './verify.ts'

/** Most UTF-16 units of a template. */
const TEMPLATE_LENGTH_MAX = 2 ** 18
/** Most templates of one model, and most UTF-16 units of a name or token. */
const TEMPLATES_MAX = 16
const TOKEN_LENGTH_MAX = 256

/** How a model reads a conversation, in Jinja. Plain data: crosses threads. */
export interface ChatTemplateSource {
	readonly text: string
	/** Another one for conversations with tools; null = the same. */
	readonly toolText: string | null
	/** Texts of the tokens that a template may name: `bos_token`, `eos_token` and their kin. */
	readonly tokens: Readonly<Record<string, string>>
}

/** Where Hugging Face's libraries write templates and the tokens that these name. */
export interface ChatTemplateFiles {
	/** chat_template.jinja, which counts before the next. */
	readonly template: string | undefined
	/** tokenizer_config.json. */
	readonly config: unknown
	/** special_tokens_map.json, for tokens that the other does not name. */
	readonly specialTokens: unknown
}

const TOKEN_NAMES = [
	'bos_token',
	'eos_token',
	'unk_token',
	'pad_token',
	'sep_token',
	'cls_token',
	'mask_token',
]

/** Null where there is no template. Throws an Error that says what was expected and what came. */
export function parseChatTemplate(files: ChatTemplateFiles): ChatTemplateSource | null {
	const config = isRecord(files.config) ? files.config : {}
	const templates = namedTemplates(files.template ?? config['chat_template'])
	const text = templates.get('default')
	if (text === undefined) return null
	const older = isRecord(files.specialTokens) ? files.specialTokens : {}
	const tokens: Record<string, string> = {}
	for (const name of TOKEN_NAMES) {
		const token = tokenText(config[name]) ?? tokenText(older[name])
		if (token !== undefined) tokens[name] = token
	}
	return { text, toolText: templates.get('tool_use') ?? null, tokens }
}

/** One template, or a list of those with names. */
function namedTemplates(value: unknown): Map<string, string> {
	const path = 'tokenizer_config.json.chat_template'
	if (value === undefined || value === null) return new Map()
	if (!Array.isArray(value)) return new Map([['default', templateText(path, value)]])
	return new Map(
		list(path, value, TEMPLATES_MAX).map((item, i): [string, string] => {
			const { name, template } = record(`${path}[${i}]`, item)
			if (typeof name !== 'string') throw expected(`${path}[${i}].name`, 'a text', name)
			return [name, templateText(`${path}[${i}].template`, template)]
		}),
	)
}

function templateText(path: string, value: unknown): string {
	if (typeof value === 'string' && value.length <= TEMPLATE_LENGTH_MAX) return value
	throw expected(path, `a text of at most ${TEMPLATE_LENGTH_MAX} characters`, value)
}

/** A token is its text, or an object with it. */
function tokenText(value: unknown): string | undefined {
	const text = isRecord(value) ? value['content'] : value
	return typeof text === 'string' && text.length <= TOKEN_LENGTH_MAX ? text : undefined
}

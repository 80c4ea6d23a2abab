/** Chat templates, whatever they say: a text, or a TemplateError, in bounded time. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ModelTemplate } from '../../src/text/template/model-template.ts'
import { TemplateError } from '../../src/text/template/template-error.ts'
import type { FuzzTarget } from '../helpers/fuzz.ts'

const families = join(import.meta.dir, '../fixtures/families')

const FILES = ['qwen2/chat_template.jinja', 'mistral-swa/chat_template.jinja']

/** What could take long, or much memory, were it not for the limits. */
const TEMPLATES = [
	"{% set ns = namespace(a='ab', n=[1]) %}{% for i in range(30) %}{% set ns.a = ns.a + ns.a %}{% set ns.n = [ns.n, ns.n] %}{% endfor %}{{ ns.a.replace('a', ns.a) | length }}{{ ns.n }}",
	'{% macro f(a, b=2) %}{% if a %}{{ f(a - 1, b=b * 2) }}{% endif %}{{ b }}{% endmacro %}{{ f(9) }}{% call(x) f(1) %}{{ x }}{% endcall %}',
	"{% for m in messages[::-1] if m.content is string %}{{ m.content.split('l') | join('-') | indent(3, true) }}{{ loop.index ~ m.role[0] }}{% else %}none{% endfor %}",
	"{{ tools | tojson(indent=2) }}{{ messages | map(attribute='role') | list | unique | sort | last }}{{ (1, 2) + (3,) }}{{ 2 ** 9 // 7 % 5 }}",
	"{% for k, v in tools[0].items() %}{{ k | upper }}{{ v | string | trim }}{% break %}{% endfor %}{{ raise_exception('no ' ~ strftime_now('%Y-%m-%d')) }}",
]

const input = {
	messages: [
		{ role: 'system', content: 'Be kind.' },
		{ role: 'user', content: 'Hello, world! '.repeat(20) },
		{ role: 'assistant', tool_calls: [{ function: { name: 'look', arguments: { at: [1] } } }] },
	],
	tools: [{ type: 'function', function: { name: 'look', parameters: { type: 'object' } } }],
	addGenerationPrompt: true,
	variables: { enable_thinking: true },
}

/** Far more than a rendering takes, on a machine that does other things as well. */
const MILLISECONDS_MAX = 10_000

/** Templates of models. */
export const chatTemplates: FuzzTarget = {
	name: 'chat-templates',
	seeds: () => [
		...FILES.map((name) => ({ name, bytes: readFileSync(join(families, name)) })),
		...TEMPLATES.map((text, i) => ({ name: `${i}.jinja`, bytes: Buffer.from(text) })),
	],
	read({ bytes }) {
		const start = performance.now()
		const isTaken = isRendered(Buffer.from(bytes).toString('utf8'))
		const milliseconds = performance.now() - start
		if (milliseconds > MILLISECONDS_MAX) throw new Error(`it took ${milliseconds} ms`)
		return isTaken
	},
}

function isRendered(template: string): boolean {
	try {
		new ModelTemplate(template, { bos_token: '<s>' }).render(input)
		return true
	} catch (error) {
		if (!(error instanceof TemplateError)) throw error
		return false
	}
}

import { describe, expect, test } from 'bun:test'
import { ModelTemplate, type TemplateInput } from '../../src/text/template/model-template.ts'
import { TemplateError } from '../../src/text/template/template-error.ts'

const plain: TemplateInput = {
	messages: [{ role: 'user', content: 'Hello.' }],
	tools: null,
	addGenerationPrompt: true,
	variables: {},
}

function render(template: string, input: Partial<TemplateInput> = {}): string {
	return new ModelTemplate(template, { bos_token: '<s>' }).render({ ...plain, ...input })
}

/** What it is refused for, and how long that took in milliseconds. */
function refusal(template: string, input: Partial<TemplateInput> = {}): [string, number] {
	const start = performance.now()
	try {
		render(template, input)
	} catch (error) {
		expect(error).toBeInstanceOf(TemplateError)
		return [(error as Error).message, performance.now() - start]
	}
	throw new Error('it was rendered')
}

describe('a chat template', () => {
	test.each([
		['{{ bos_token }}{{ messages[0].content }}', '<s>Hello.'],
		['{% if add_generation_prompt %}go{% endif %}', 'go'],
		['{% for m in messages %}\n  {{- m.role }}\n{% endfor %}', 'user\n'],
		['{{ tools is none }} {{ documents is none }} {{ other is defined }}', 'True True False'],
		['{% generation %}{{ messages | length }}{% endgeneration %}', '1'],
		['{{ "a,b".split(",") | join("-") }} {{ "aa".replace("a", "b") | upper }}', 'a-b BB'],
		['{% for i in range(2, 8, 3) %}{{ i }} {% endfor %}', '2 5 '],
		['{{ none }}{{ other }}{{ [1, true, {"a": "it\'s"}] }}', "None[1, True, {'a': \"it's\"}]"],
		['{{ "a" ~ other ~ none ~ 1 ~ false }}', 'aNone1False'],
		['{{ strftime_now("%%") }}', '%'],
		['{{ {"a": 1} | tojson(indent=2) }}', '{\n  "a": 1\n}'],
	])('%j gives %j', (template, text) => {
		expect(render(template)).toBe(text)
	})

	test('sees tools, and the variables of a request', () => {
		expect(render('{{ tools | tojson }}', { tools: [{ type: 'function' }] })).toBe(
			'[{"type": "function"}]',
		)
		expect(render('{{ enable_thinking }}', { variables: { enable_thinking: false } })).toBe('False')
	})

	test('keeps its pace with a long conversation', () => {
		const messages = Array.from({ length: 1000 }, (_, i) => ({
			role: i % 2 === 0 ? 'user' : 'assistant',
			content: 'The light of the Sun. '.repeat(20),
		}))
		const template =
			"{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] | trim + '<|im_end|>\n' }}{% endfor %}"
		expect(render(template, { messages }).length).toBeGreaterThan(400_000)
	})
})

describe('a chat template is refused with', () => {
	test.each([
		['its own message', "{{ raise_exception('Roles must alternate') }}", 'Roles must alternate'],
		['what cannot be parsed', '{% for m in messages %}{{ m.content }', 'cannot be parsed'],
		['a filter that is not known', '{{ messages | frobnicate }}', 'frobnicate'],
		[
			'steps',
			'{% for i in range(10000) %}{% for j in range(10000) %}x{% endfor %}{% endfor %}',
			'steps',
		],
		['items of a range', '{{ range(100000) }}', 'range'],
		['depth', '{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}', 'deep'],
		[
			'the size of a text that doubles',
			"{% set ns = namespace(a='xxxxxxxx') %}{% for i in range(60) %}{% set ns.a = ns.a + ns.a %}{% endfor %}",
			'steps',
		],
		[
			'the size of an array that doubles',
			'{% set ns = namespace(a=[1]) %}{% for i in range(60) %}{% set ns.a = ns.a + ns.a %}{% endfor %}',
			'steps',
		],
		[
			'the size of nested values',
			'{% set ns = namespace(a=[1]) %}{% for i in range(60) %}{% set ns.a = [ns.a, ns.a] %}{% endfor %}{{ ns.a }}',
			'items',
		],
		[
			'the size of a replacement',
			"{% set ns = namespace(a='xxxxxxxx') %}{% for i in range(17) %}{% set ns.a = ns.a + ns.a %}{% endfor %}{{ ns.a.replace('x', ns.a) }}",
			'characters',
		],
		['the width of an indent', "{{ 'a\nb' | indent(100000000) }}", 'indent'],
		['the indents of JSON', '{{ messages | tojson(indent=100000000) }}', 'tojson'],
		['methods as values', "{% set f = 'a'.replace %}{{ f('a', 'b') }}", 'methods'],
		['methods by other names', "{% set n = 'replace' %}{{ 'a'[n]('a', 'b') }}", 'methods'],
		['filter blocks', '{% filter upper %}a{% endfilter %}', 'filter'],
		[
			'a namespace within itself',
			'{% set ns = namespace() %}{% set ns.a = ns %}{{ ns | tojson }}',
			'deep',
		],
	])('%s', (_, template, reason) => {
		const [message, milliseconds] = refusal(template)
		expect(message).toContain(reason)
		expect(milliseconds).toBeLessThan(2000)
	})

	test("what reaches for the host's objects", () => {
		const [message] = refusal("{{ messages.constructor.constructor('return process')().env }}")
		expect(message).not.toBe('')
	})
})

/**
 * Requests that the trainer's own first server answered, sent to ours. Where the two are meant to
 * differ (test/fixtures/README.md, errors, empty prompts, full contexts) the case is not listed.
 */
import { afterAll, describe, expect, test } from 'bun:test'
import recorded from '../fixtures/http-v1.json'
import { startAlpha } from '../helpers/alpha-server.ts'
import { parseSse } from '../helpers/read-sse.ts'

interface Case {
	readonly name: string
	readonly request: { readonly method: string; readonly path: string; readonly body?: string }
	readonly response: { readonly status: number; readonly body: string }
}

const cases = new Map((recorded.cases as unknown as Case[]).map((entry) => [entry.name, entry]))

const server = await startAlpha({
	runs: ['v1-word', 'v1-char', 'v1-bpe'],
	args: ['--no-embedded-model'],
})
afterAll(() => server.stop())

async function replay(name: string): Promise<{ theirs: Case['response']; ours: Response }> {
	const entry = cases.get(name)
	if (entry === undefined) throw new Error(`no recorded case ${name}`)
	const { method, path, body } = entry.request
	const init = body === undefined ? { method } : { method, body }
	return { theirs: entry.response, ours: await fetch(server.url + path, init) }
}

describe('whole answers say the same', () => {
	for (const name of [
		'chat nonstream',
		'chat nonstream two messages joined by newline',
		'chat bpe model',
		'alias path',
		'default model is first listed',
		'max_completion_tokens',
		'system message counts as text',
		'generate get',
		'generate post',
		'generate query wins over body',
	]) {
		test(name, async () => {
			const { theirs, ours } = await replay(name)
			const { id, created, choices, ...rest } = JSON.parse(theirs.body)
			const answer = await ours.json()
			expect(answer).toMatchObject(rest)
			if (choices !== undefined) expect(answer.choices).toMatchObject(choices)
		})
	}
})

/** The first server put a blank before the first word of a streamed reply, ours does not. */
const joined = (pieces: string[]) => pieces.join('').trimStart()

describe('streams say the same', () => {
	for (const name of ['chat stream', 'chat stream char model']) {
		test(name, async () => {
			const { theirs, ours } = await replay(name)
			const read = (text: string) =>
				parseSse(text)
					.filter(({ data }) => data !== '[DONE]')
					.map(({ data }) => JSON.parse(data))
			const [expected, chunks] = [read(theirs.body), read(await ours.text())]
			const text = (list: typeof chunks) =>
				joined(list.map((chunk) => chunk.choices[0].delta.content ?? ''))
			expect(text(chunks)).toBe(text(expected))
			expect(chunks[0].choices[0].delta).toEqual(expected[0].choices[0].delta)
			expect(chunks.at(-1).usage).toMatchObject(expected.at(-1).usage)
		})
	}

	for (const name of ['inference', 'inference alias', 'inference steps 0']) {
		test(name, async () => {
			const { theirs, ours } = await replay(name)
			const [expected, events] = [parseSse(theirs.body), parseSse(await ours.text())]
			expect(events).toEqual(expected)
		})
	}

	for (const name of ['api chat', 'api chat char']) {
		test(name, async () => {
			const { theirs, ours } = await replay(name)
			expect(joined([await ours.text()])).toBe(joined([theirs.body]))
		})
	}
})

/** A domain that config.json does not name was "novels" to them, and is unknown to us. */
test('lists of models agree but for times and missing domains', async () => {
	const own = await replay('models')
	const theirs = JSON.parse(own.theirs.body).map(
		({ mtime, domain, ...run }: { mtime: number; domain: string }) => run,
	)
	expect(await own.ours.json()).toMatchObject(theirs)
	const openai = await replay('openai models')
	const ids = (list: { data: { id: string }[] }) => list.data.map(({ id }) => id)
	expect(ids(await openai.ours.json())).toEqual(ids(JSON.parse(openai.theirs.body)))
})

for (const name of ['preflight', 'preflight any path', 'unknown path', 'upload without auth']) {
	test(`the status agrees: ${name}`, async () => {
		const { theirs, ours } = await replay(name)
		expect(ours.status).toBe(theirs.status)
	})
}

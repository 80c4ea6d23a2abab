/**
 * What somebody writes with types that openapi-typescript has made of the document; the test compiles it
 * beside them and runs it. Argument: the server's URL. Prints a line of JSON for each check.
 */
import { deepEqual, equal } from 'node:assert/strict'
import createClient from 'openapi-fetch'
import type { components, paths } from './schema.d.ts'

const url = process.argv[2] ?? ''
const secret = 'a-secret-for-tests'
const client = createClient<paths, 'application/json'>({ baseUrl: url })
const model = 'v2-bpe-chat'

async function check(name: string, work: () => Promise<void>): Promise<void> {
	const error = await work().then(
		() => null,
		(thrown: unknown) => String(thrown),
	)
	console.log(JSON.stringify({ name, error }))
}

await check('lists the models', async () => {
	const { data } = await client.GET('/v1/models')
	const ids: string[] = data?.data.map(({ id }) => id) ?? []
	deepEqual(ids, [model, 'novels-austen'])
})

await check('chats', async () => {
	const body: components['schemas']['ChatCompletionRequest'] = {
		model,
		messages: [{ role: 'user', content: 'What is your name?' }],
		temperature: 0,
	}
	const { data } = await client.POST('/v1/chat/completions', { body })
	const content: string | null | undefined = data?.choices[0]?.message.content
	equal(content, 'My name is Alpha.')
	equal(data?.object, 'chat.completion')
})

await check('asks for a response', async () => {
	const { data } = await client.POST('/v1/responses', {
		body: { model, input: 'What is your name?', temperature: 0 },
	})
	const [item] = data?.output ?? []
	equal(item?.type === 'message' ? item.content[0]?.text : null, 'My name is Alpha.')
	const tokens: number | undefined = data?.usage?.output_tokens
	equal(tokens, 12)
})

await check('reads a stream', async () => {
	const { response } = await client.POST('/v1/chat/completions', {
		body: { model, messages: [{ role: 'user', content: 'What is your name?' }], stream: true },
		parseAs: 'stream',
	})
	equal((await response.text()).endsWith('data: [DONE]\n\n'), true)
})

await check('gets errors with their types', async () => {
	const { error, response } = await client.GET('/v1/models/{id}', {
		params: { path: { id: 'no' } },
	})
	equal(response.status, 404)
	const code: string | null | undefined = error?.error.code
	equal(code, 'model_not_found')
})

await check('reports a training', async () => {
	const { data } = await client.POST('/api/ingest', {
		body: { type: 'metrics', runId: 'typed run', metrics: [{ step: 1, loss: 2.5 }] },
		headers: { authorization: `Bearer ${secret}` },
	})
	equal(data?.ok, true)
	const runs = await client.GET('/api/runs', { params: { query: { status: 'training' } } })
	equal(runs.data?.[0]?.run_id, 'typed run')
})

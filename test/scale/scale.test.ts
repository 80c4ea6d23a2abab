/** A slice of what `bun test/scale/run.ts` measures: what does not depend on the machine's speed. */
import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import OpenAI from 'openai'
import { killBehind } from './killed-replica.ts'
import { missingNote, proxyNames, startProxy } from './proxies.ts'
import { portsOf, type Replica, startReplicas, stopAll } from './replicas.ts'
import { restartsBehind } from './rolling-restarts.ts'
import { shareDirectory } from './shared-directory.ts'

setDefaultTimeout(120_000)

type Question = OpenAI.CompletionCreateParamsNonStreaming

for (const name of proxyNames) {
	const note = missingNote(name)
	test.skipIf(note !== '')(
		`replicas behind ${name} are restarted one after another and no request is lost${note}`,
		async () => {
			expect(await restartsBehind(name, 2)).toMatchObject({ failures: [] })
		},
	)
}

// Caddy 2.6 ends streams that were cut as if they were whole; 2.11 does not.
for (const name of proxyNames.filter((each) => each !== 'caddy')) {
	const note = missingNote(name)
	describe.skipIf(note !== '')(`replicas behind ${name}${note}`, () => {
		test('lose the streams of the one that is killed, which clients see, and nothing else', async () => {
			const { killed, others, late } = await killBehind(name)
			expect(killed.length).toBeGreaterThan(0)
			expect(new Set(killed)).toEqual(new Set(['cut']))
			expect(new Set(others)).toEqual(new Set(['whole']))
			expect(late).toEqual([])
		})

		test('let the official client fail where a stream is cut, and answer when it asks again', async () => {
			const replicas = await startReplicas(2)
			await using proxy = await startProxy(name, portsOf(replicas))
			const baseURL = `http://127.0.0.1:${proxy.port}/v1`
			const client = new OpenAI({ baseURL, apiKey: 'any-key', maxRetries: 0 })
			// Each replica calls its model otherwise: whichever is asked answers with its own.
			const question = { prompt: 'a', max_tokens: 2048, ignore_eos: true } as unknown as Question
			const stream = await client.completions.create({ ...question, stream: true })
			const read = async () => {
				let victim: Replica | undefined
				for await (const { model } of stream) {
					victim ??= replicas.find((replica) => replica.name === model)
					await victim?.kill()
				}
			}
			await expect(read()).rejects.toThrow()
			const { choices } = await client.completions.create(question)
			expect(choices[0]?.finish_reason).toBe('length')
			await stopAll(replicas)
		})
	})
}

test('what one of two servers on one directory stores, the other serves at the very next request', async () => {
	const { missed } = await shareDirectory(20)
	expect(missed).toEqual([])
})

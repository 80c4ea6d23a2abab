/** Two servers on one directory: what one stores or removes, the other serves or forgets. */

import { quantile } from '../bench/statistics.ts'
import type { Goal } from '../faults/goals/goal.ts'
import { type AlphaServer, startAlpha, uploadSecret } from '../helpers/alpha-server.ts'
import { jsonBody } from '../upload/upload-fixture.ts'

const UPLOADS = 200

export interface SharedDirectoryReport {
	readonly uploads: number
	/** What the other server answered instead at the very next request. */
	readonly missed: readonly string[]
	/** How long it went on to serve what had been removed, in milliseconds. */
	readonly forgottenMs: readonly number[]
}

async function send(server: AlphaServer, method: string, path: string, body?: string) {
	const headers = { authorization: `Bearer ${uploadSecret}`, 'content-type': 'application/json' }
	const response = await fetch(`${server.url}${path}`, { method, headers, ...(body && { body }) })
	return { status: response.status, text: await response.text() }
}

async function sendWell(server: AlphaServer, method: string, path: string, body?: string) {
	const { status, text } = await send(server, method, path, body)
	if (status !== 200) throw new Error(`${method} ${path}: ${status} ${text}`)
}

/** Each of the two stores and removes in turn; every run has a name of its own. */
export async function shareDirectory(uploads: number): Promise<SharedDirectoryReport> {
	const args = ['--threads=1', '--no-embedded-model']
	await using one = await startAlpha({ runs: [], args })
	await using other = await startAlpha({
		runs: [],
		args,
		env: { CHECKPOINTS_DIR: one.checkpoints },
	})
	const missed: string[] = []
	const forgottenMs: number[] = []
	for (let i = 0; i < uploads; i++) {
		const [writer, reader] = i % 2 === 0 ? [one, other] : [other, one]
		const model = `run-${i}`
		const question = JSON.stringify({ model, prompt: 'a', max_tokens: 1 })
		const ask = () => send(reader, 'POST', '/v1/completions', question)
		await sendWell(writer, 'POST', '/api/upload', String(jsonBody({ name: `"${model}"` })))
		const { status, text } = await ask()
		if (status !== 200 || !text.includes(`"model":"${model}"`)) missed.push(`${status}: ${text}`)
		// Each third by the server that has not stored it.
		await sendWell(i % 3 === 0 ? reader : writer, 'DELETE', `/api/models?name=${model}`)
		const removedAt = performance.now()
		for (;;) {
			const answer = await ask()
			if (answer.status === 404) break
			if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.text}`)
			await Bun.sleep(1)
		}
		forgottenMs.push(performance.now() - removedAt)
	}
	return { uploads, missed, forgottenMs }
}

export const sharedDirectory: Goal = {
	id: 'shared-directory',
	goal: 'what one of two servers on one directory stores the other serves at the next request; what is removed it forgets within a second',
	async measure(scale) {
		const count = Math.max(10, Math.round(UPLOADS * scale))
		const { uploads, missed, forgottenMs } = await shareDirectory(count)
		const longest = Math.max(...forgottenMs)
		return {
			measured:
				`${missed.length} of ${uploads} missed; forgotten after ${quantile(forgottenMs, 0.5).toFixed(0)} ms, ` +
				`${longest.toFixed(0)} ms at most`,
			isMet: missed.length === 0 && longest <= 1000,
		}
	},
}

/** A real Prometheus that scrapes a server every second. */

import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from './eventually.ts'
import { finishedOf } from './finished.ts'
import { tempDir } from './temp-dir.ts'

/** False where there is none; tests that need it say so in their names. */
export const hasPrometheus = Bun.which('prometheus') !== null && Bun.which('promtool') !== null

export interface Prometheus extends AsyncDisposable {
	/** Values of an expression now, one per series. */
	query(expression: string): Promise<number[]>
}

/** Starts one that scrapes `target`, HOST:PORT, as the job `alpha`. */
export async function startPrometheus(target: string): Promise<Prometheus> {
	const directory = tempDir()
	const configuration = join(directory.path, 'prometheus.yml')
	writeFileSync(
		configuration,
		`global: {scrape_interval: 1s}\nscrape_configs:\n  - job_name: alpha\n    static_configs: [{targets: ['${target}']}]\n`,
	)
	const data = join(directory.path, 'data')
	mkdirSync(data)
	const child = Bun.spawn(
		[
			'prometheus',
			`--config.file=${configuration}`,
			`--storage.tsdb.path=${data}`,
			'--web.listen-address=127.0.0.1:0',
		],
		{ stdout: 'ignore', stderr: 'pipe' },
	)
	let log = ''
	const address = Promise.withResolvers<string>()
	const logged = (async () => {
		const decoder = new TextDecoder()
		for await (const bytes of child.stderr) {
			log += decoder.decode(bytes, { stream: true })
			const [, found] = /msg="Listening on" address=(\S+)/.exec(log) ?? []
			if (found !== undefined) address.resolve(found)
		}
		address.reject(new Error(`prometheus has ended:\n${log}`))
	})()
	const url = `http://${await address.promise}`
	await eventually(async () => {
		const response = await fetch(`${url}/-/ready`).catch(() => null)
		return response?.status === 200
	}, 20_000)
	return {
		async query(expression) {
			const response = await fetch(`${url}/api/v1/query`, {
				method: 'POST',
				body: new URLSearchParams({ query: expression }),
			})
			const answer = (await response.json()) as {
				status: string
				error?: string
				data: { result: { value: [number, string] }[] }
			}
			if (answer.status !== 'success') throw new Error(`${expression}: ${answer.error}`)
			return answer.data.result.map(({ value }) => Number(value[1]))
		},
		async [Symbol.asyncDispose]() {
			child.kill()
			await child.exited
			await logged.catch(() => {})
			if (existsSync(directory.path)) directory[Symbol.dispose]()
		},
	}
}

/** Runs promtool with a text as its input. */
export async function promtool(args: readonly string[], input = '') {
	const child = Bun.spawn(['promtool', ...args], {
		stdin: new Blob([input]),
		stdout: 'pipe',
		stderr: 'pipe',
	})
	return await finishedOf(child)
}

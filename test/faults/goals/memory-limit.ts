/** The server inside a container's memory limit, under the heaviest requests that are allowed, all at once. */
import {
	type AlphaServer,
	executablePath,
	startAlpha,
	uploadSecret,
} from '../../helpers/alpha-server.ts'
import { createMemoryGroup } from '../../helpers/memory-group.ts'
import { bodiesOf } from '../costs/costs.ts'
import { heaviest } from '../costs/heaviest.ts'
import type { Goal } from './goal.ts'
import { ask, completion, neglect } from './traffic.ts'

const MIB = 2 ** 20
const PARALLEL = 24
/** Requests wait no longer than that for an answer: what counts is that the server lives. */
const PATIENCE_MS = 20_000

/** The heaviest bodies, so many at a time, in an order that mixes endpoints. */
async function sendFor(server: AlphaServer, ms: number): Promise<Map<number, number>> {
	const end = performance.now() + ms
	const all = Object.entries(heaviest).flatMap(([path, fields]) =>
		Object.keys(fields).map((field) => [path, field] as const),
	)
	let turn = 0
	const statuses = new Map<number, number>()
	const client = async () => {
		while (performance.now() < end) {
			const next = all[(turn++ * 37) % all.length]!
			for (const body of bodiesOf(...next)) {
				if (performance.now() > end) return
				const signal = AbortSignal.timeout(PATIENCE_MS)
				const headers = {
					'content-type': 'application/json',
					authorization: `Bearer ${uploadSecret}`,
				}
				const url = `${server.url}${next[0]}`
				const status = await fetch(url, {
					method: 'POST',
					headers,
					body: JSON.stringify(body),
					signal,
				})
					.then(async (response) => {
						await response.arrayBuffer()
						return response.status
					})
					.catch(() => 0)
				statuses.set(status, (statuses.get(status) ?? 0) + 1)
			}
		}
	}
	await Promise.all(Array.from({ length: PARALLEL }, client))
	return statuses
}

/** A large upload that is refused at its end, over and over. */
async function upload(server: AlphaServer, isOver: () => boolean): Promise<void> {
	const headers = { authorization: `Bearer ${uploadSecret}`, 'content-type': 'application/json' }
	const numbers = '0.123456,'.repeat(4 * MIB)
	const body = `{"name":"large","step":1,"config":{},"checkpoint":{"w":[${numbers}1]}}`
	while (!isOver()) {
		await fetch(`${server.url}/api/upload`, { method: 'POST', headers, body })
			.then((response) => response.text())
			.catch(() => {})
	}
}

async function survives(bytes: number, ms: number) {
	using group = createMemoryGroup(bytes)
	if (group === null) return null
	const command = group.within(executablePath)
	await using server = await startAlpha({ command, runs: ['v2-bpe-chat'], args: ['--threads=1'] })
	let isOver = false
	const uploading = upload(server, () => isOver)
	const asked = completion(2048, { stream: true, logprobs: 20 })
	const silent = Array.from({ length: 100 }, () => neglect(server, { ...asked, from: '127.0.0.2' }))
	const statuses = await sendFor(server, ms)
	isOver = true
	await uploading
	for (const socket of silent) socket.destroy()
	const lives = await ask(server, { path: '/health' }).then(
		({ status }) => status === 200,
		() => false,
	)
	const most = group.most()
	return { lives, most, statuses }
}

export const memoryLimits: Goal = {
	id: 'G14',
	goal: 'within 256, 512 and 1,024 MB the heaviest requests, uploads and 100 unread streams at once never end it',
	async measure(scale) {
		const figures: string[] = []
		let isMet = true
		for (const size of [256, 512, 1024]) {
			const result = await survives(size * MIB, 30_000 * scale)
			if (result === null) return null
			const { lives, most, statuses } = result
			const answers = [...statuses]
				.sort()
				.map(([status, count]) => `${count} × ${status || 'none'}`)
			figures.push(
				`${size} MB: ${lives ? 'lives' : 'DIED'}, most ${(most / MIB).toFixed(0)} MB, ${answers.join(', ')}`,
			)
			if (!lives) isMet = false
		}
		return { measured: figures.join('; '), isMet }
	},
}

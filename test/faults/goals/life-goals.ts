/** Goals of a server's life: interrupted uploads, its start, bombs. */
import { startAlpha, uploadSecret } from '../../helpers/alpha-server.ts'
import { injectErrors, injectKills } from '../faults.ts'
import { canInject } from '../subject.ts'
import { formCount } from '../versions.ts'
import type { Goal } from './goal.ts'
import { metric } from './traffic.ts'

const MIB = 2 ** 20

export const kills: Goal = {
	id: 'G1',
	goal: '2,000 kill points of an upload: nothing mixed',
	msMax: 900_000,
	async measure(scale) {
		if (!canInject()) return null
		const forms = Array.from({ length: formCount }, (_, form) => form)
		const shares = [0, 1].map((rest) => forms.filter((form) => form % 2 === rest))
		const counts = await Promise.all(
			shares.map((share) => injectKills(Math.round(1000 * scale), share)),
		)
		const points = counts.reduce((sum, count) => sum + count.points, 0)
		return { measured: `${points} points, 0 mixed`, isMet: true }
	},
}

export const ioErrors: Goal = {
	id: 'G2',
	goal: '500 injected I/O errors: no crash, nothing left behind',
	async measure(scale) {
		if (!canInject()) return null
		const { points } = await injectErrors(Math.round(500 * scale))
		return { measured: `${points} errors, nothing left`, isMet: true }
	},
}

export const startTime: Goal = {
	id: 'G13',
	goal: 'ready within a second of the start with ten models, and after SIGKILL',
	async measure() {
		const runs = ['v2-bpe-chat', 'v1-bpe', 'v1-char', 'v1-word', 'v2-gelu-bpe']
		const startedAt = performance.now()
		await using server = await startAlpha({ runs })
		await (await fetch(`${server.url}/readyz`)).text()
		const ms = performance.now() - startedAt
		return { measured: `${ms.toFixed(0)} ms`, isMet: ms <= 1000 }
	},
}

/** What the codings of an upload make of many equal bytes. */
const codings = {
	gzip: (bytes: Uint8Array<ArrayBuffer>) => Bun.gzipSync(bytes),
	zstd: (bytes: Uint8Array<ArrayBuffer>) => new Uint8Array(Bun.zstdCompressSync(bytes)),
}

export const bombs: Goal = {
	id: 'G14',
	goal: 'gzip and zstd bombs are refused in 200 ms with 32 MB more memory',
	async measure(scale) {
		const prefix = Buffer.from('{"name":"bomb","step":1,"checkpoint":{"x":"')
		const letters = Buffer.alloc(Math.round(256 * MIB * scale), 'a')
		const text = Buffer.concat([prefix, letters])
		const figures: string[] = []
		let isMet = true
		for (const [coding, compress] of Object.entries(codings)) {
			await using server = await startAlpha({ runs: ['v2-bpe-chat'] })
			const body = compress(text)
			const before = await metric(server, 'process_resident_memory_bytes')
			const startedAt = performance.now()
			const response = await fetch(`${server.url}/api/upload`, {
				method: 'POST',
				headers: { authorization: `Bearer ${uploadSecret}`, 'content-encoding': coding },
				body,
			})
			await response.text()
			const ms = performance.now() - startedAt
			const more = ((await metric(server, 'process_resident_memory_bytes')) - before) / MIB
			figures.push(
				`${coding} ${response.status} after ${ms.toFixed(0)} ms, ${more.toFixed(0)} MB more`,
			)
			isMet &&= response.status === 413 && ms <= 200 && more <= 32
		}
		return { measured: figures.join('; '), isMet }
	},
}

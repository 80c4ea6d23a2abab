/** Resident memory of a server with S in it: at rest, after a crowd of streams, and when that is over. */
import { readFileSync } from 'node:fs'
import { type Bench, checkpointPath, runsDirectory, servedName } from './bench-context.ts'
import type { ClientResult, ClientTask } from './http-client.ts'
import type { Goal } from './report.ts'
import { startServer } from './server-process.ts'
import { TaskProcess } from './task-process.ts'

const STREAMS = 128
const STREAM_TOKENS = 128
/** After these the server has given back most of what the streams took, and what it does not need at rest. */
const PAUSE_MS = 3_000
const REST_MS = 50_000
const MINUTE_MS = 60_000

export async function measureMemory(bench: Bench): Promise<void> {
	checkpointPath(bench, 'S')
	await using server = await startServer(bench, runsDirectory(bench))
	using client = new TaskProcess<ClientTask, ClientResult>('http-client.ts')
	const ask = (streams: number, maxTokens: number) =>
		client.run({ port: server.port, model: servedName('S'), streams, maxTokens, probes: [] })
	const add = (name: string, limit: number | null) => {
		const goal: Goal | null = limit === null ? null : { of: 'value', bound: 'max', limit }
		for (const [part, field] of [
			['', 'VmRSS'],
			[', without files', 'RssAnon'],
		] as const) {
			const samples = [residentMegabytes(server.pid, field)]
			bench.report.add({
				subject: 'S',
				name: name + part,
				unit: 'MB',
				samples,
				goal: part === '' ? goal : null,
			})
		}
	}
	await ask(1, 1)
	await Bun.sleep(REST_MS)
	add('memory at rest', 90)
	await ask(STREAMS, STREAM_TOKENS)
	add(`memory as ${STREAMS} streams end`, null)
	await Bun.sleep(PAUSE_MS)
	add(`memory after ${STREAMS} streams`, 250)
	if (bench.isQuick) return
	await Bun.sleep(MINUTE_MS - PAUSE_MS)
	add(`memory a minute after ${STREAMS} streams`, 130)
}

/** A field of /proc/<pid>/status. */
function residentMegabytes(pid: number, field: 'VmRSS' | 'RssAnon'): number {
	const status = readFileSync(`/proc/${pid}/status`, 'utf8')
	return (Number(new RegExp(`^${field}:\\s*(\\d+) kB`, 'm').exec(status)?.[1]) * 1024) / 1e6
}

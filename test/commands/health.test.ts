import { describe, expect, test } from 'bun:test'
import type { CommandContext } from '../../src/commands/command.ts'
import { healthCommand } from '../../src/commands/health.ts'

/** Runs `alpha health` at a port; returns its status and what it said. */
async function health(port: number): Promise<[status: number, complaint: string]> {
	let complaint = ''
	const context: Partial<CommandContext> = {
		argv: [],
		env: { PORT: String(port) },
		warn: (text) => {
			complaint += text
		},
	}
	return [await healthCommand.run(context as CommandContext), complaint]
}

describe('alpha health', () => {
	test('is 0 when the server is ready, 1 when it drains', async () => {
		let status = 200
		await using server = Bun.serve({
			hostname: '127.0.0.1',
			port: 0,
			fetch: ({ url }) => new Response('', { status: url.endsWith('/readyz') ? status : 404 }),
		})
		const port = server.port!
		expect(await health(port)).toEqual([0, ''])
		status = 503
		const complaint = `alpha: http://127.0.0.1:${port}/readyz answers 503\n`
		expect(await health(port)).toEqual([1, complaint])
	})

	test('is 1 when nobody listens', async () => {
		const server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response() })
		const port = server.port!
		await server.stop(true)
		expect(await health(port)).toEqual([
			1,
			`alpha: http://127.0.0.1:${port}/readyz does not answer\n`,
		])
	})
})

/** Clients in other languages: programs that get a server's address and print one line of JSON per check. */
import { describe, expect, test } from 'bun:test'
import { startAlpha } from '../helpers/alpha-server.ts'

const TIMEOUT_MS = 240_000

interface Check {
	readonly name: string
	/** What went wrong, with its trace; null where nothing did. */
	readonly error: string | null
}

export interface ClientReport {
	readonly checks: readonly Check[]
	readonly status: number
	readonly log: string
}

/** Runs a program against a server of its own: some watch the engine go idle. */
export async function runClient(
	command: readonly string[],
	env: Readonly<Record<string, string>> = {},
): Promise<ClientReport> {
	await using server = await startAlpha()
	const child = Bun.spawn([...command, server.url], {
		stdin: 'ignore',
		stdout: 'pipe',
		stderr: 'pipe',
		timeout: TIMEOUT_MS,
		env: { ...process.env, ...env },
	})
	const [output, log, status] = await Promise.all([
		new Response(child.stdout).text(),
		new Response(child.stderr).text(),
		child.exited,
	])
	const lines = output.split('\n').filter((line) => line.startsWith('{'))
	return { checks: lines.map((line) => JSON.parse(line) as Check), status, log }
}

/** One test per check; null = what the client needs is not there, which is a skipped test with its name. */
export function describeClient(title: string, report: ClientReport | null): void {
	describe(title, () => {
		if (report === null) {
			test.skip('is not installed', () => {})
			return
		}
		for (const { name, error } of report.checks) {
			test(name, () => {
				if (error !== null) throw new Error(error)
			})
		}
		test('runs to its end', () => {
			expect(report.status, report.log).toBe(0)
			expect(report.checks.length, report.log).toBeGreaterThan(0)
		})
	})
}

/** A slice of what `bun test/clients/schemathesis.ts` sends, small enough for every run of the tests. */
import { expect, setDefaultTimeout, test } from 'bun:test'
import { pythonExecutable } from './python-environment.ts'
import { runSchemathesis } from './schemathesis.ts'

setDefaultTimeout(180_000)

const executable = pythonExecutable('python-clients', 'schemathesis')
const note = executable === null ? ' (skipped: schemathesis is not installed)' : ''

test.skipIf(executable === null)(
	`schemathesis finds no answer that the OpenAPI document does not describe${note}`,
	async () => {
		const { status, output, requests } = await runSchemathesis({
			executable: executable ?? '',
			phases: ['examples', 'fuzzing'],
			maxExamples: 10,
			seed: 1,
		})
		expect(status, output).toBe(0)
		expect(requests).toBeGreaterThan(250)
	},
)

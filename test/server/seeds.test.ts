/** Seeds are the same on every endpoint: any integer of 64 bits, and -1 or null for a random one. */
import { describe, expect, test } from 'bun:test'
import { testApp } from '../helpers/test-app.ts'

const chat = '"messages":[{"role":"user","content":"a"}]'
const endpoints = [
	['/v1/chat/completions', chat],
	['/v1/completions', '"prompt":"a"'],
	['/v1/responses', '"input":"a"'],
	['/api/generate', '"prompt":"a"'],
	['/api/chat', chat],
] as const

/** The seed that a request draws with; `digits` go into the body as they are. */
async function seedOf(path: string, fields: string, digits: string): Promise<number> {
	const app = testApp()
	const response = await app.post(path, `{${fields},"metadata":{"seed":5},"seed":${digits}}`)
	expect(response.status).toBe(200)
	return app.catalog.runs[0]!.request.sampling.seed
}

describe.each(endpoints)('%s', (path, fields) => {
	test.each(['0', '42', '-7', '9007199254740991'])('%s is used as it is', async (digits) => {
		expect(await seedOf(path, fields, digits)).toBe(Number(digits))
	})

	test('integers beyond 53 bits that differ stay different', async () => {
		const digits = [
			'9007199254740992',
			'9007199254740993',
			'18446744073709551615',
			'-9223372036854775808',
		]
		const seeds = await Promise.all(digits.map((each) => seedOf(path, fields, each)))
		expect(new Set(seeds).size).toBe(digits.length)
		expect(seeds.every(Number.isSafeInteger)).toBe(true)
		expect(await seedOf(path, fields, digits[1]!)).toBe(seeds[1]!)
	})

	test('other spellings of a large integer are read as well', async () => {
		expect(await seedOf(path, fields, '1e19')).toBe(await seedOf(path, fields, '1'.padEnd(20, '0')))
		expect(Number.isSafeInteger(await seedOf(path, fields, '9'.repeat(300)))).toBe(true)
	})

	test.each(['-1', 'null'])('%s is random', async (digits) => {
		const seeds = [await seedOf(path, fields, digits), await seedOf(path, fields, digits)]
		expect(seeds[0]).not.toBe(seeds[1]!)
	})
})

describe.each(['/api/generate?prompt=a&seed=', '/api/inference?query=a&seed='])('%s', (path) => {
	const seedOfQuery = async (digits: string) => {
		const app = testApp()
		const response = await app.get(path + digits)
		expect(response.status).toBe(200)
		await response.text()
		return app.catalog.runs[0]!.request.sampling.seed
	}

	test('takes 64 bits and the random -1, too', async () => {
		expect(await seedOfQuery('42')).toBe(42)
		expect(await seedOfQuery('9007199254740993')).not.toBe(await seedOfQuery('9007199254740992'))
		expect(await seedOfQuery('-1')).not.toBe(await seedOfQuery('-1'))
	})
})

/** One server of those that share a directory fetches; when it dies, another goes on. */
import { expect, test } from 'bun:test'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Downloads } from '../../src/remote/downloads.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const DIGEST = 'd'.repeat(64)

test('a place is held by one at a time, and clears up behind itself', async () => {
	using temp = tempDir()
	const downloads = new Downloads(temp.path)
	{
		await using place = await downloads.claim(DIGEST)
		expect(place).not.toBeNull()
		expect(await downloads.claim(DIGEST)).toBeNull()
		await using other = await downloads.claim('e'.repeat(64))
		expect(other).not.toBeNull()
	}
	await using again = await downloads.claim(DIGEST)
	expect(again).not.toBeNull()
	await again?.[Symbol.asyncDispose]()
	expect(readdirSync(temp.path)).toEqual([])
})

test('what a killed process has fetched is gone on with by the next', async () => {
	using temp = tempDir()
	const source = join(import.meta.dir, '../../src/remote/downloads.ts')
	const script = `
		const { Downloads } = await import(${JSON.stringify(source)})
		const place = await new Downloads(${JSON.stringify(temp.path)}).claim('${DIGEST}')
		await place.prepare()
		await Bun.write(place.pathOf('checkpoint-1/weights'), 'half')
		console.log('held')
		setInterval(() => {}, 1000)`
	const child = Bun.spawn([process.execPath, '-e', script], { stdout: 'pipe' })
	const { value } = await child.stdout.getReader().read()
	expect(Buffer.from(value!).toString()).toBe('held\n')
	const downloads = new Downloads(temp.path)
	expect(await downloads.claim(DIGEST)).toBeNull()
	child.kill('SIGKILL')
	await child.exited
	await using place = await downloads.claim(DIGEST)
	expect(await Bun.file(place!.pathOf('checkpoint-1/weights')).text()).toBe('half')
})

test('what nobody fetches any more is swept, what somebody fetches is not', async () => {
	using temp = tempDir()
	const downloads = new Downloads(temp.path)
	const left = join(temp.path, '.downloads', 'e'.repeat(64))
	mkdirSync(left, { recursive: true })
	writeFileSync(join(left, 'weights'), 'half')
	await using place = await downloads.claim(DIGEST)
	await place!.prepare()
	await downloads.sweep()
	expect(existsSync(left)).toBe(false)
	expect(existsSync(place!.pathOf('.'))).toBe(true)
})

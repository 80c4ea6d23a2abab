import { describe, expect, test } from 'bun:test'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pageAssets } from '../../src/ui/assets.ts'
import { testApp } from '../helpers/test-app.ts'

const directory = join(import.meta.dir, '../../src/ui/page')

describe('the web page', () => {
	test('lists every file of its directory', () => {
		const files = pageAssets.map(({ file }) => file).sort()
		expect(files).toEqual(
			readdirSync(directory)
				.map((name) => join(directory, name))
				.sort(),
		)
	})

	test.each(pageAssets.map(({ path, contentType }) => [path, contentType] as const))(
		'answers GET %s with its type and a policy that runs nothing foreign',
		async (path, contentType) => {
			const response = await testApp().get(path)
			expect(response.status).toBe(200)
			expect(response.headers.get('content-type')).toBe(contentType)
			const policy = response.headers.get('content-security-policy')
			expect(policy).toContain("default-src 'none'")
			expect(policy).not.toMatch(/unsafe|https?:|data:|\*/)
			expect((await response.text()).length).toBeGreaterThan(100)
		},
	)

	test('names no other host and has no inline script or style', async () => {
		for (const { path, file } of pageAssets) {
			const text = await Bun.file(file).text()
			const hosts = text.match(/https?:\/\/[\w.-]+/g) ?? []
			expect([path, hosts.filter((host) => host !== 'http://www.w3.org')]).toEqual([path, []])
		}
		const html = await (await testApp().get('/')).text()
		expect(html).not.toMatch(/\sstyle=|\son\w+=|<style|<script(?![^>]*src=)/)
	})

	test('sets text as text only', async () => {
		for (const { path, file } of pageAssets) {
			const text = await Bun.file(file).text()
			expect([
				path,
				text.match(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(/),
			]).toEqual([path, null])
		}
	})

	test('keeps its files for ever, under an address that changes with them', async () => {
		const app = testApp()
		const html = await (await app.get('/')).text()
		const script = /src="(ui\/\w+\/app\.js)"/.exec(html)?.[1]
		expect(script).toBeDefined()
		const answer = await app.get(`/${script}`)
		expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
		expect(await answer.text()).toBe(await Bun.file(join(directory, 'app.js')).text())
		const older = await app.get('/ui/0123456789ab/app.js')
		expect(older.headers.get('cache-control')).toBe('no-cache')
		expect((await app.get('/ui/0123456789ab/none.js')).status).toBe(404)
		expect((await app.get('/')).headers.get('cache-control')).toBe('no-cache')
	})
})

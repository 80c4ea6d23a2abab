import { Elysia } from 'elysia'
import { pageAssets, pageHeaders } from '../../ui/assets.ts'

/** GET / and the files of the web page under /ui. */
export function webPage() {
	const app = new Elysia({ name: 'web-page' })
	for (const { path, file, contentType } of pageAssets) {
		const headers = { ...pageHeaders, 'content-type': contentType }
		app.get(path, () => new Response(Bun.file(file), { headers }), { detail: { hide: true } })
	}
	return app
}

import { Elysia } from 'elysia'
import { packageAssets, pageAssets, pageHeaders } from '../../ui/assets.ts'
import { openPage } from '../openapi.ts'

/** GET / and the files of the web page under /ui. */
export function webPage() {
	const app = new Elysia()
	for (const { path, file, contentType } of [...pageAssets, ...packageAssets]) {
		const headers = { ...pageHeaders, 'content-type': contentType }
		app.get(path, () => new Response(Bun.file(file), { headers }), openPage)
	}
	return app
}

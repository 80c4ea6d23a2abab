import { Elysia } from 'elysia'
import { type PageAsset, packageAssets, pageAssets, pageHeaders } from '../../ui/assets.ts'
import { notFound } from '../../wire/errors.ts'
import { openPage } from '../openapi.ts'

/** What has its content in its address never changes: a year, which is the longest that is understood. */
const FOR_EVER = 'public, max-age=31536000, immutable'

const assets = [...pageAssets, ...packageAssets]
const byPath = new Map(assets.map((asset) => [asset.path, asset]))

/**
 * GET / and the files of the web page under /ui. The page names the directory of its files after what
 * is in them, /ui/{digest}/: a browser keeps them for ever, and never mixes those of two versions.
 */
export function webPage() {
	let current = ''
	const page = async ({ file: path, contentType }: PageAsset) => {
		current = await digest()
		const html = await Bun.file(path).text()
		const headers = { ...pageHeaders, 'content-type': contentType }
		const own = html.replaceAll(/(?<=(?:href|src)=")ui\//g, `ui/${current}/`)
		return new Response(own, { headers })
	}
	const versioned = async (asked: string, name: string) => {
		const asset = byPath.get(`/ui/${name}`)
		if (asset === undefined)
			throw notFound('file of the page', name, 'GET / names those there are.')
		if (current === '') current = await digest()
		// A page of another version may ask while the server is replaced: it gets what there is.
		return file(asset, asked === current ? FOR_EVER : 'no-cache')
	}
	const app = new Elysia()
	for (const asset of assets) {
		const answer = asset.path === '/' ? () => page(asset) : () => file(asset, 'no-cache')
		app.get(asset.path, answer, openPage)
	}
	return app.get(
		'/ui/:digest/:name',
		({ params: { digest, name } }) => versioned(digest, name),
		openPage,
	)
}

function file({ file: path, contentType }: PageAsset, cacheControl: string): Response {
	const headers = { ...pageHeaders, 'content-type': contentType, 'cache-control': cacheControl }
	return new Response(Bun.file(path), { headers })
}

/** Of all files as they are: in a checkout they change while the server runs. */
async function digest(): Promise<string> {
	const hasher = new Bun.CryptoHasher('sha256')
	for (const { path, file: source } of assets) {
		hasher.update(path)
		hasher.update(await Bun.file(source).bytes())
	}
	return hasher.digest('hex').slice(0, 12)
}

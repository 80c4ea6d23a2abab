/**
 * The web page as a list of files, for `server/routes/web-page.ts`. The page asks for its files and
 * for the API relative to itself, so a proxy may serve it under any prefix.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import uplotScript from 'uplot/dist/uPlot.esm.js' with { type: 'file' }
import uplotStyle from 'uplot/dist/uPlot.min.css' with { type: 'file' }

/** A file of the page and where the page expects it. */
export interface PageAsset {
	/** Path of the URL. */
	readonly path: string
	/** Path of the file, in the checkout or inside the executable. */
	readonly file: string
	readonly contentType: string
}

const contentTypes: Readonly<Record<string, string>> = {
	html: 'text/html; charset=utf-8',
	css: 'text/css; charset=utf-8',
	js: 'text/javascript; charset=utf-8',
	svg: 'image/svg+xml',
}

const directory = join(import.meta.dir, 'page')

/** All files of the page; build.ts puts their directory beside the bundle, as it is beside this file. */
export const pageAssets: readonly PageAsset[] = readdirSync(directory).map((name) => ({
	path: name === 'index.html' ? '/' : `/ui/${name}`,
	file: join(directory, name),
	contentType: contentTypes[name.slice(name.lastIndexOf('.') + 1)] ?? 'application/octet-stream',
}))

/** Files of packages that the page uses, beside its own. */
export const packageAssets: readonly PageAsset[] = [
	{ path: '/ui/uplot.js', file: uplotScript, contentType: contentTypes['js']! },
	{ path: '/ui/uplot.css', file: uplotStyle, contentType: contentTypes['css']! },
]

/** Headers of every file of the page: nothing but its own files may run, load or be talked to. */
export const pageHeaders: Readonly<Record<string, string>> = {
	'cache-control': 'no-cache',
	'content-security-policy': [
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self'",
		"img-src 'self'",
		"connect-src 'self'",
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'none'",
	].join('; '),
	'referrer-policy': 'no-referrer',
	'x-content-type-options': 'nosniff',
}

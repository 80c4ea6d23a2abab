/** The OpenAPI document and Swagger UI, page and assets from this process: works without internet. */
import { swagger } from '@elysiajs/swagger'
import { Elysia } from 'elysia'
import stylesheet from 'swagger-ui-dist/swagger-ui.css' with { type: 'file' }
import bundle from 'swagger-ui-dist/swagger-ui-bundle.js' with { type: 'file' }
import type { ServerContext } from '../deps.ts'
import { openPage } from '../openapi.ts'
import { toDocument } from '../openapi-document.ts'
import { requestPath } from '../request-rules.ts'

const ASSET_SECONDS_MAX = 86_400
const GATHERED_PATH = '/swagger/gathered'

/** `base`: of the page's files, relative to the page, so that a proxy may serve it under any prefix. */
const page = (base: string) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Alpha API</title>
<link rel="icon" href="${base}../ui/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="${base}swagger-ui.css">
<link rel="stylesheet" href="${base}page.css">
<script src="${base}theme.js"></script>
</head>
<body>
<header>
<a href="${base}../"><img src="${base}../ui/icon.svg" alt="" width="22" height="22">Alpha</a>
<a href="${base}../openapi.json">openapi.json</a>
</header>
<div id="swagger-ui"></div>
<script src="${base}swagger-ui-bundle.js"></script>
<script src="${base}start.js"></script>
</body>
</html>
`

const pageStyle = `header { display: flex; justify-content: space-between; align-items: center; max-width: 1460px; margin: 0 auto; padding: 14px 20px; font: 15px system-ui, sans-serif; }
header a { display: inline-flex; gap: 8px; align-items: center; color: inherit; text-decoration: none; }
header a:first-child { font-weight: 600; }
header a:hover { text-decoration: underline; }
body { margin: 0; background: #fff; color: #1b1c22; }
html.dark-mode body { background: #1c2022; color: #e4e6e6; }
.swagger-ui .info { margin: 20px 0; }
@media (max-width: 40rem) {
	.swagger-ui .response-col_links { display: none; }
	.swagger-ui .opblock-body { overflow-x: auto; }
}
`

/** As the page of the models has it: what was chosen there, else what the system wants. */
const themeScript = `const dark = matchMedia('(prefers-color-scheme: dark)')
function showTheme() {
	let chosen = null
	try {
		chosen = JSON.parse(localStorage.getItem('alpha.theme'))
	} catch {
		// Some browsers refuse.
	}
	const isDark = chosen === 'dark' || (chosen !== 'light' && dark.matches)
	document.documentElement.classList.toggle('dark-mode', isDark)
}
dark.addEventListener('change', showTheme)
showTheme()
`

const startScript = `SwaggerUIBundle({
	url: new URL('json', document.currentScript.src).href,
	dom_id: '#swagger-ui',
	deepLinking: true,
	displayRequestDuration: true,
	defaultModelsExpandDepth: 0,
})
`

/** Everything comes from here; Swagger UI writes styles into the page and has pictures in them. */
const contentSecurityPolicy =
	"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const info = (version: string) => ({
	title: 'Alpha API',
	version,
	description:
		'Serves small GPT models. `/v1` speaks the OpenAI dialect, `/api` is Alpha’s own. Every error has the ' +
		'same shape, and fields that are not listed are ignored. A request may carry `X-Request-Id`, which its ' +
		'answer and the log repeat.',
	license: { name: 'MIT', identifier: 'MIT' },
})

/** GET /swagger (page), /swagger/json and /openapi.json (document), and the page's assets. */
export function swaggerPages({ version, apiKeys }: ServerContext) {
	const gathering = swagger({
		path: '/swagger',
		specPath: GATHERED_PATH,
		documentation: {
			info: info(version),
			tags: [
				{ name: 'OpenAI', description: 'For any OpenAI-compatible client.' },
				{ name: 'Alpha', description: 'Alpha’s own endpoints.' },
				{ name: 'Training', description: 'Trainers report, people watch.' },
				{ name: 'Service', description: 'Probes, metrics and tokenizer.' },
			],
			security: apiKeys.length === 0 ? [{}] : [{ apiKey: [] }],
			components: {
				securitySchemes: {
					apiKey: { type: 'http', scheme: 'bearer', description: 'Only if keys are set.' },
					uploadSecret: { type: 'http', scheme: 'bearer', description: 'UPLOAD_SECRET.' },
				},
			},
		},
	})
	const { handler } = gathering.routes.find(({ path }) => path === GATHERED_PATH)!
	let made: Record<string, unknown> | null = null
	// `root`: where the routes are, relative to the document.
	const document = (root: string) => {
		made ??= toDocument((handler as () => Record<string, unknown>)())
		return Response.json({ ...made, servers: [{ url: root }] })
	}
	// The plugin's own page loads its scripts from a CDN; the later routes replace it and its document.
	return new Elysia()
		.use(gathering)
		.get(GATHERED_PATH, () => document('..'), openPage)
		.get('/swagger/json', () => document('..'), openPage)
		.get('/openapi.json', () => document('.'), openPage)
		.get('/swagger', ({ request }) => text(page(baseOf(request)), 'text/html'), openPage)
		.get('/swagger/theme.js', () => text(themeScript, 'text/javascript'), openPage)
		.get('/swagger/start.js', () => text(startScript, 'text/javascript'), openPage)
		.get('/swagger/page.css', () => text(pageStyle, 'text/css'), openPage)
		.get('/swagger/swagger-ui-bundle.js', () => asset(bundle, 'text/javascript'), openPage)
		.get('/swagger/swagger-ui.css', () => asset(stylesheet, 'text/css'), openPage)
}

/** The page's files are beside it where its path ends in a slash. */
function baseOf(request: Request): string {
	return requestPath(request).endsWith('/') ? '' : 'swagger/'
}

function text(body: string, type: string): Response {
	return new Response(body, {
		headers: {
			'content-type': `${type}; charset=utf-8`,
			'content-security-policy': contentSecurityPolicy,
		},
	})
}

function asset(path: string, contentType: string): Response {
	return new Response(Bun.file(path), {
		headers: { 'content-type': contentType, 'cache-control': `max-age=${ASSET_SECONDS_MAX}` },
	})
}

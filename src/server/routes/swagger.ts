/** The OpenAPI document and Swagger UI, page and assets from this process: works without internet. */
import { swagger } from '@elysiajs/swagger'
import { Elysia } from 'elysia'
import favicon from 'swagger-ui-dist/favicon-32x32.png' with { type: 'file' }
import stylesheet from 'swagger-ui-dist/swagger-ui.css' with { type: 'file' }
import bundle from 'swagger-ui-dist/swagger-ui-bundle.js' with { type: 'file' }
import type { ServerContext } from '../deps.ts'
import { ErrorSchema, openPage } from '../openapi.ts'

const ASSET_SECONDS_MAX = 86_400
const SPEC_PATH = '/swagger/json'

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Alpha API</title>
<link rel="icon" href="/swagger/favicon.png">
<link rel="stylesheet" href="/swagger/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/swagger/swagger-ui-bundle.js"></script>
<script src="/swagger/start.js"></script>
</body>
</html>
`

/** Everything comes from here; Swagger UI writes styles into the page and has pictures in them. */
const contentSecurityPolicy =
	"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const startScript = `SwaggerUIBundle({ url: '${SPEC_PATH}', dom_id: '#swagger-ui', deepLinking: true })\n`

const info = (version: string) => ({
	title: 'Alpha API',
	version,
	description:
		'Serves small GPT models. `/v1` speaks the OpenAI dialect, `/api` is Alpha’s own. ' +
		'Every error has the same shape, and fields that are not listed are ignored.',
})

/** GET /swagger (page), /swagger/json and /openapi.json (document), and the page's assets. */
export function swaggerPages({ version, apiKeys }: ServerContext) {
	const document = swagger({
		path: '/swagger',
		specPath: SPEC_PATH,
		documentation: {
			info: info(version),
			tags: [
				{ name: 'OpenAI', description: 'For any OpenAI-compatible client.' },
				{ name: 'Alpha', description: 'Alpha’s own endpoints.' },
				{ name: 'Training', description: 'Trainers report, people watch.' },
				{ name: 'Service', description: 'Probes, metrics and tokenizer.' },
			],
			security: apiKeys.length === 0 ? [] : [{ apiKey: [] }],
			components: {
				schemas: { Error: JSON.parse(JSON.stringify(ErrorSchema)) },
				securitySchemes: {
					apiKey: { type: 'http', scheme: 'bearer', description: 'Only if keys are set.' },
					uploadSecret: { type: 'http', scheme: 'bearer', description: 'UPLOAD_SECRET.' },
				},
			},
		},
	})
	// Where most tools look for it.
	const { handler } = document.routes.find(({ path }) => path === SPEC_PATH)!
	// The plugin's own page loads its scripts from a CDN; the later route for /swagger replaces it.
	return new Elysia()
		.use(document)
		.get('/openapi.json', handler, openPage)
		.get('/swagger', () => text(page, 'text/html; charset=utf-8'), openPage)
		.get('/swagger/start.js', () => text(startScript, 'text/javascript; charset=utf-8'), openPage)
		.get('/swagger/swagger-ui-bundle.js', () => asset(bundle, 'text/javascript'), openPage)
		.get('/swagger/swagger-ui.css', () => asset(stylesheet, 'text/css'), openPage)
		.get('/swagger/favicon.png', () => asset(favicon, 'image/png'), openPage)
}

function text(body: string, contentType: string): Response {
	return new Response(body, {
		headers: { 'content-type': contentType, 'content-security-policy': contentSecurityPolicy },
	})
}

function asset(path: string, contentType: string): Response {
	return new Response(Bun.file(path), {
		headers: { 'content-type': contentType, 'cache-control': `max-age=${ASSET_SECONDS_MAX}` },
	})
}

import { Elysia } from 'elysia'
import { allowedMethods } from './allowed-methods.ts'
import { apiKeys } from './api-keys.ts'
import type { ServerDeps } from './deps.ts'
import { errorHandler } from './error-handler.ts'
import { requestPath } from './request-path.ts'
import { requestRules } from './request-rules.ts'
import { apiChat } from './routes/api-chat.ts'
import { apiModels } from './routes/api-models.ts'
import { chatCompletions } from './routes/chat-completions.ts'
import { generate } from './routes/generate.ts'
import { health } from './routes/health.ts'
import { inference } from './routes/inference.ts'
import { models } from './routes/models.ts'
import { swaggerPages } from './routes/swagger.ts'
import { upload } from './routes/upload.ts'

/** The whole HTTP side: rules for all requests, then one plugin per route family. */
export function createApp(deps: ServerDeps) {
	const app = new Elysia({ normalize: false })
		.use(
			errorHandler(
				deps.log,
				allowedMethods(() => app.routes),
			),
		)
		.use(requestRules())
		.use(apiKeys(deps.apiKeys, requestPath))
		.use(health(deps))
		.use(models(deps))
		.use(chatCompletions(deps))
		.use(apiModels(deps))
		.use(generate(deps))
		.use(inference(deps))
		.use(apiChat(deps))
		.use(upload(deps))
		.use(swaggerPages(deps.version))
	return app
}

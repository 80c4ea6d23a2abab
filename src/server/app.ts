import { edenGC, fullGC } from 'bun:jsc'
import { Elysia } from 'elysia'
import { admission } from './admission.ts'
import { AnswerBudget } from './answer-budget.ts'
import { authentication, KeyLimit } from './auth.ts'
import { BodyBudget } from './body-budget.ts'
import { Clients } from './clients.ts'
import type { ServerContext, ServerDeps } from './deps.ts'
import { errorHandler } from './error-handler.ts'
import { Garbage } from './garbage.ts'
import { ServerMetrics } from './metrics.ts'
import { pacing } from './pacing.ts'
import { requestLog } from './request-log.ts'
import { RequestRecords } from './request-record.ts'
import { requestRules } from './request-rules.ts'
import { RouteTable } from './route-table.ts'
import { apiChat } from './routes/api-chat.ts'
import { apiModels } from './routes/api-models.ts'
import { chatCompletions } from './routes/chat-completions.ts'
import { completions } from './routes/completions.ts'
import { embeddings } from './routes/embeddings.ts'
import { events } from './routes/events.ts'
import { generate } from './routes/generate.ts'
import { inference } from './routes/inference.ts'
import { ingest } from './routes/ingest.ts'
import { metrics } from './routes/metrics.ts'
import { models } from './routes/models.ts'
import { probes } from './routes/probes.ts'
import { responses } from './routes/responses.ts'
import { swaggerPages } from './routes/swagger.ts'
import { tokenize } from './routes/tokenize.ts'
import { trainingLive } from './routes/training-live.ts'
import { trainingRuns } from './routes/training-runs.ts'
import { upload } from './routes/upload.ts'
import { webPage } from './routes/web-page.ts'

/** Of what bodies may hold, so much may wait to be collected. */
const GARBAGE_SHARE = 0.25

/** The whole HTTP side: rules for all requests, then one plugin per route family. */
export function createApp(deps: ServerDeps) {
	const { apiKeys, limits } = deps
	const keyLimit = apiKeys.length === 0 ? null : new KeyLimit(limits.generationsPerKeyMax)
	const garbage = new Garbage(limits.bodiesBytesMax * GARBAGE_SHARE, {
		recent: edenGC,
		all: fullGC,
	})
	const context: ServerContext = {
		...deps,
		metrics: new ServerMetrics(),
		clients: new Clients(deps),
		bodies: new BodyBudget(limits.bodiesBytesMax, garbage),
		answers: new AnswerBudget(limits, garbage),
		garbage,
		records: new RequestRecords(),
		keyLimit,
	}
	const table = new RouteTable()
	const app = new Elysia({ normalize: false })
		.use(requestLog(context, table))
		.use(pacing({ clients: context.clients, refusalMs: limits.refusalMs }, table))
		.use(errorHandler(deps.log, table))
		.use(requestRules(deps.isDraining))
		.use(authentication({ apiKeys, uploadSecret: deps.uploads.secret }, table))
		.use(admission(context, table))
		.use(probes(context))
		.use(metrics(context))
		.use(openai('/v1', context))
		.use(openai('', context))
		.use(alpha(context))
		.use(inference(context))
		.use(swaggerPages(context))
		.use(webPage())
	table.fill(app.routes)
	return app
}

/** The OpenAI dialect; some clients leave out the prefix. */
function openai(prefix: '/v1' | '', context: ServerContext) {
	return new Elysia({ prefix })
		.use(models(context))
		.use(chatCompletions(context))
		.use(completions(context))
		.use(responses(context))
		.use(embeddings(context))
		.use(tokenize(context))
}

/** Alpha's own endpoints. */
function alpha(context: ServerContext) {
	return new Elysia()
		.use(apiModels(context))
		.use(events(context))
		.use(generate(context))
		.use(new Elysia({ prefix: '/api' }).use(inference(context)))
		.use(apiChat(context))
		.use(upload(context))
		.use(ingest(context))
		.use(trainingRuns(context))
		.use(trainingLive(context))
}

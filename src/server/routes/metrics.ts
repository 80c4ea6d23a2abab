import { Type } from '@sinclair/typebox'
import { Elysia } from 'elysia'
import type { ServerContext } from '../deps.ts'
import { operation } from '../openapi.ts'
import { renderMetrics } from '../render-metrics.ts'

/** GET /metrics for Prometheus. */
export function metrics(context: ServerContext) {
	const contentType = 'text/plain; version=0.0.4; charset=utf-8'
	return new Elysia({ name: 'metrics', normalize: false }).get(
		'/metrics',
		() =>
			new Response(renderMetrics(context, context.metrics), {
				headers: { 'content-type': contentType },
			}),
		operation({
			tag: 'Service',
			security: 'none',
			summary: 'Metrics',
			content: { 'text/plain': Type.String() },
		}),
	)
}

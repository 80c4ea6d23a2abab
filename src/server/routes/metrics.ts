import { Type } from '@sinclair/typebox'
import { Elysia } from 'elysia'
import type { ServerContext } from '../deps.ts'
import { renderMetrics } from '../metrics-page.ts'
import { operation } from '../openapi.ts'

const headers = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }

/** GET /metrics for Prometheus. */
export function metrics(context: ServerContext) {
	return new Elysia().get(
		'/metrics',
		() => new Response(renderMetrics(context), { headers }),
		operation({
			tag: 'Service',
			security: 'none',
			id: 'getMetrics',
			summary: 'Metrics',
			content: { 'text/plain': Type.String() },
		}),
	)
}

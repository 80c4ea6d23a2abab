import { type Static, Type } from '@sinclair/typebox'
import { metricsPointsMax } from '../limits.ts'
import { RunSchema } from './models.ts'

/** Query of GET /api/models/{id}. */
export const ModelCardQuery = Type.Object(
	{
		points: Type.Optional(
			Type.Integer({
				minimum: 1,
				maximum: metricsPointsMax,
				default: metricsPointsMax,
				description: 'Most points of the metrics series to return.',
			}),
		),
	},
	{ additionalProperties: true },
)
export type ModelCardQuery = Static<typeof ModelCardQuery>

const count = Type.Integer({ minimum: 0 })

/** Everything about one run. */
export const ModelCardSchema = Type.Object({
	...RunSchema.properties,
	steps: Type.Array(Type.Integer({ minimum: 0 }), {
		description: 'Checkpoints that `id@step` can address.',
	}),
	state: Type.String({ enum: ['available', 'loading', 'loaded', 'incomplete', 'damaged'] }),
	reason: Type.String({
		nullable: true,
		description: 'Why an incomplete or damaged run cannot be served.',
	}),
	contextLength: Type.Integer({ nullable: true }),
	embedded: Type.Boolean({ description: 'The model inside the executable.' }),
	checkpointBytes: Type.Integer({ minimum: 0, nullable: true }),
	parameterCount: Type.Integer({ minimum: 0, nullable: true }),
	memoryBytes: Type.Integer({ minimum: 0, nullable: true, description: 'null: not in memory.' }),
	requests: Type.Integer({ minimum: 0, description: 'Requests that use it now.' }),
	tokenizer: Type.Object(
		{ type: Type.String(), vocabSize: Type.Integer() },
		{ nullable: true, additionalProperties: true },
	),
	metrics: Type.Object({
		lineCount: count,
		badLineCount: count,
		points: Type.Array(Type.Object({}, { additionalProperties: Type.Number({ nullable: true }) })),
	}),
})

/** Answer of POST /api/models/{id}/load and /unload. */
export const ModelStateSchema = Type.Object({
	id: Type.String(),
	state: Type.String({ enum: ['available', 'loading', 'loaded'] }),
})

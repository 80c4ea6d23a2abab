import { type Static, Type } from '@sinclair/typebox'
import type { LossSeries } from '../../checkpoint/store/training-log.ts'
import { named, nullable, oneOf } from '../../wire/fields.ts'
import { metricsPointsMax } from '../limits.ts'

const AnyObject = Type.Unsafe<Readonly<Record<string, unknown>>>(
	Type.Object({}, { additionalProperties: true }),
)

/** A run of GET /api/models. */
export const RunSchema = named(
	'ModelSummary',
	Type.Object({
		id: Type.String({ example: 'novels-austen' }),
		name: Type.String({ description: 'Same as `id`.' }),
		step: Type.Integer({ description: 'Training step of the checkpoint that is served.' }),
		mtime: Type.Number({ description: 'Time of the checkpoint, milliseconds since 1970.' }),
		lastLoss: nullable(
			Type.Number({ description: 'Last loss of metrics.jsonl or trainer_state.json.' }),
		),
		domain: nullable(Type.String()),
		modelConfig: AnyObject,
		trainConfig: AnyObject,
		format: nullable(
			oneOf(
				['json', 'binary', 'huggingface', 'nanogpt', 'nanochat', 'gguf', 'llama2c', 'state-dict'],
				{
					description: 'How the checkpoint is written; null: not looked into yet, or not servable.',
				},
			),
		),
		family: nullable(
			oneOf(['alpha', 'gpt2', 'llama', 'nanochat', 'neo', 'neox'], {
				description: 'Architecture; null: not looked into yet, or not servable.',
			}),
		),
		state: Type.Optional(Type.String({ description: 'Only of a run that cannot be served.' })),
		reason: Type.Optional(nullable(Type.String({ description: 'Why it cannot be served.' }))),
	}),
)

export type RunSchema = Static<typeof RunSchema>

export const RunListSchema = Type.Array(RunSchema)

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
export const ModelCardSchema = named(
	'ModelCard',
	Type.Object({
		...RunSchema.properties,
		steps: Type.Array(count, { description: 'Checkpoints that `id@step` can address.' }),
		state: oneOf(['available', 'loading', 'loaded', 'incomplete', 'damaged']),
		reason: nullable(
			Type.String({ description: 'Why an incomplete or damaged run cannot be served.' }),
		),
		contextLength: nullable(Type.Integer()),
		embedded: Type.Boolean({ description: 'The model inside the executable.' }),
		checkpointBytes: nullable(count),
		parameterCount: nullable(count),
		memoryBytes: nullable(Type.Integer({ minimum: 0, description: 'null: not in memory.' })),
		requests: Type.Integer({ minimum: 0, description: 'Requests that use it now.' }),
		tokenizer: nullable(
			Type.Object(
				{ type: Type.String(), vocabSize: Type.Integer() },
				{ additionalProperties: true },
			),
		),
		metrics: Type.Object({
			lineCount: count,
			badLineCount: count,
			points: Type.Unsafe<LossSeries['points']>(
				Type.Array(Type.Object({}, { additionalProperties: nullable(Type.Number()) })),
			),
		}),
	}),
)
export type ModelCardSchema = Static<typeof ModelCardSchema>

/** Answer of POST /api/models/{id}/load and /unload. */
export const ModelStateSchema = named(
	'ModelState',
	Type.Object({
		id: Type.String(),
		state: oneOf(['available', 'loading', 'loaded']),
	}),
)

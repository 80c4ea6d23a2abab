import { type TSchema, Type } from '@sinclair/typebox'
import { named, oneOf, wireObject } from '../../wire/fields.ts'
import { AnyObject } from './runs.ts'

const runId = Type.String({
	minLength: 1,
	maxLength: 1024,
	description: 'Any text. The run is found by it; its directory gets a safe name.',
	example: 'my run 7',
})

/** Content is taken as it comes: what cannot be used is left out, never refused. `schema`: what can be used. */
function taken(schema: TSchema) {
	const { description = '' } = schema
	return Type.Optional(Type.Unknown({ description, 'x-useful-schema': schema }))
}

const step = taken(Type.Integer({ example: 100 }))

const EventBody = Type.Object({
	step,
	level: taken(oneOf(['debug', 'info', 'warn', 'error'], { default: 'info' })),
	kind: taken(Type.String({ example: 'checkpoint_saved' })),
	message: taken(Type.String({ example: 'checkpoint saved at step 100' })),
	payload: Type.Optional(Type.Unknown()),
	timestamp: taken(Type.String({ description: 'ISO 8601. Default: now.' })),
})

const TrainConfig = Type.Object(
	{ iters: taken(Type.Integer({ description: 'Steps that the training shall have.' })) },
	{ additionalProperties: true, description: 'run_start: any settings.' },
)

const Machine = Type.Object(
	{ hostname: taken(Type.String()), gpuName: taken(Type.String()) },
	{ additionalProperties: true, description: 'run_start: the machine that trains.' },
)

const Metrics = Type.Array(
	Type.Object(
		{
			step: Type.Integer(),
			loss: taken(Type.Number()),
			valLoss: taken(Type.Number()),
			lr: taken(Type.Number()),
		},
		{ additionalProperties: true },
	),
	{
		description:
			'metrics: an object for each step, with any further numbers. A batch may be sent again.',
	},
)

const Samples = Type.Array(Type.Object({ prompt: Type.String(), output: Type.String() }), {
	description: 'samples: what the model wrote.',
})

/** Body of POST /api/ingest. For the document only. */
export const IngestBody = named(
	'Report',
	wireObject(
		{
			type: oneOf(['run_start', 'metrics', 'event', 'events', 'samples', 'heartbeat']),
			runId,
			domain: taken(Type.String({ description: 'run_start: what kind of text it learns.' })),
			modelConfig: taken(AnyObject),
			trainConfig: taken(TrainConfig),
			totalParams: taken(Type.Integer()),
			infra: taken(Machine),
			metrics: taken(Metrics),
			event: taken(EventBody),
			events: taken(Type.Array(EventBody)),
			samples: taken(Samples),
			trend: Type.Optional(Type.Unknown({ description: 'samples: where the loss is going.' })),
			step,
		},
		{
			example: {
				type: 'metrics',
				runId: 'my run 7',
				metrics: [{ step: 100, loss: 2.31, valLoss: 2.4, lr: 0.0003 }],
			},
		},
	),
)

/** Body of POST /api/ingest/complete. */
export const CompleteBody = named(
	'TrainingEnd',
	wireObject(
		{
			runId,
			finalStep: taken(Type.Integer()),
			failed: taken(Type.Boolean({ description: 'The training has broken off.' })),
		},
		{ example: { runId: 'my run 7', finalStep: 5000 } },
	),
)

export const Accepted = named('Accepted', Type.Object({ ok: Type.Boolean() }))

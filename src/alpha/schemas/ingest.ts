import { Type } from '@sinclair/typebox'
import { oneOf, optional, wireObject } from '../../wire/fields.ts'
import { AnyObject } from './runs.ts'

const runId = Type.String({
	minLength: 1,
	maxLength: 1024,
	description: 'Any text. The run is found by it; its directory gets a safe name.',
	example: 'my run 7',
})

const step = optional(Type.Integer({ example: 100 }))

const EventBody = wireObject({
	step,
	level: optional(oneOf(['debug', 'info', 'warn', 'error'], { default: 'info' })),
	kind: optional(Type.String({ example: 'checkpoint_saved' })),
	message: optional(Type.String({ example: 'checkpoint saved at step 100' })),
	payload: Type.Optional(Type.Unknown()),
	timestamp: optional(Type.String({ description: 'ISO 8601. Default: now.' })),
})

/** Body of POST /api/ingest. For the document only: content is taken as it comes. */
export const IngestBody = wireObject(
	{
		type: oneOf(['run_start', 'metrics', 'event', 'events', 'samples', 'heartbeat']),
		runId,
		domain: optional(Type.String({ description: 'run_start: what kind of text it learns.' })),
		modelConfig: optional(AnyObject),
		trainConfig: optional(
			Type.Object(
				{ iters: optional(Type.Integer({ description: 'Steps that the training shall have.' })) },
				{ additionalProperties: true, description: 'run_start: any settings.' },
			),
		),
		totalParams: optional(Type.Integer()),
		infra: optional(
			Type.Object(
				{ hostname: optional(Type.String()), gpuName: optional(Type.String()) },
				{ additionalProperties: true, description: 'run_start: the machine that trains.' },
			),
		),
		metrics: optional(
			Type.Array(
				Type.Object(
					{
						step: Type.Integer(),
						loss: optional(Type.Number()),
						valLoss: optional(Type.Number()),
						lr: optional(Type.Number()),
					},
					{ additionalProperties: true },
				),
				{
					description:
						'metrics: an object for each step, with any further numbers. A batch may be sent again.',
				},
			),
		),
		event: optional(EventBody),
		events: optional(Type.Array(EventBody)),
		samples: optional(
			Type.Array(wireObject({ prompt: Type.String(), output: Type.String() }), {
				description: 'samples: what the model wrote.',
			}),
		),
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
)

/** Body of POST /api/ingest/complete. */
export const CompleteBody = wireObject(
	{
		runId,
		finalStep: optional(Type.Integer()),
		failed: optional(Type.Boolean({ description: 'The training has broken off.' })),
	},
	{ example: { runId: 'my run 7', finalStep: 5000 } },
)

export const Accepted = Type.Object({ ok: Type.Literal(true) })

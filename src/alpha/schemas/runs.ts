import { type Static, Type } from '@sinclair/typebox'
import { named, nullable, oneOf } from '../../wire/fields.ts'

export const AnyObject = Type.Object({}, { additionalProperties: true })

const LEVELS = ['debug', 'info', 'warn', 'error'] as const
const STATES = ['training', 'active', 'stale', 'completed', 'failed'] as const
const count = Type.Integer({ minimum: 0 })

/** Query of GET /api/runs. */
export const RunsQuery = Type.Object({
	status: Type.Optional(
		oneOf(STATES, { description: 'Only runs in this state; `active` stands for `training`, too.' }),
	),
	domain: Type.Optional(Type.String()),
})

/** A run of GET /api/runs, with the names of the trainer's own dashboard and a few more. */
export const TrainingRunRow = named(
	'TrainingRun',
	Type.Object({
		id: Type.String({ description: 'Its directory, which is the model id.' }),
		run_id: Type.String({ description: 'As its trainer calls it.' }),
		name: Type.String({
			description: 'What people call it: the name that was reported, else its directory.',
		}),
		status: oneOf(STATES, {
			description:
				'`training` reports and has no checkpoint yet, `active` reports and can be talked to, `stale` ' +
				'has been silent for 5 minutes.',
		}),
		domain: nullable(Type.String()),
		latest_step: count,
		total_iters: nullable(Type.Integer()),
		seconds_left: nullable(Type.Number()),
		last_loss: nullable(Type.Number()),
		best_val_loss: nullable(Type.Number()),
		estimated_params: nullable(Type.Number()),
		metric_count: count,
		checkpoint_count: count,
		latest_checkpoint_step: nullable(Type.Integer()),
		checkpoint_steps: Type.Array(Type.Integer()),
		created_at: nullable(Type.String({ description: 'ISO 8601; null where no trainer has told.' })),
		updated_at: Type.String({ description: 'When it was heard of last, ISO 8601.' }),
		vocab_size: nullable(Type.Number()),
		block_size: nullable(Type.Number()),
		n_layer: nullable(Type.Number()),
		n_embd: nullable(Type.Number()),
		n_head: nullable(Type.Number()),
		batch_size: nullable(Type.Number()),
		lr: nullable(Type.Number()),
		hostname: nullable(Type.String()),
		gpu_name: nullable(Type.String()),
		gpu_vendor: nullable(Type.String()),
		gpu_vram_mb: nullable(Type.Number()),
		cpu_count: nullable(Type.Number()),
		ram_total_mb: nullable(Type.Number()),
		os_platform: nullable(Type.String()),
		model_config: Type.String({ description: 'JSON.' }),
		train_config: Type.String({ description: 'JSON.' }),
		machine: AnyObject,
		last_metrics: nullable(AnyObject),
	}),
)
export type TrainingRunRow = Static<typeof TrainingRunRow>

export const TrainingRunList = Type.Array(TrainingRunRow)

export const metricsRowsMax = 10_000

/** Query of GET /api/runs/{id}/metrics. */
export const MetricsQuery = Type.Object({
	last: Type.Optional(
		Type.Integer({ minimum: 1, maximum: metricsRowsMax, description: 'Only the last so many.' }),
	),
	points: Type.Optional(
		Type.Integer({
			minimum: 1,
			maximum: metricsRowsMax,
			default: metricsRowsMax,
			description: 'Without `last`: all of them, thinned to at most so many.',
		}),
	),
})

/** A line of the metrics as it was reported, and under the names of the trainer's own tables. */
export const MetricsRow = named(
	'MetricsRow',
	Type.Object(
		{
			run_id: Type.String(),
			step: Type.Number(),
			loss: nullable(Type.Number()),
			val_loss: nullable(Type.Number()),
			grad_norm: nullable(Type.Number()),
		},
		{ additionalProperties: true },
	),
)
export type MetricsRow = Static<typeof MetricsRow>

/** Query of GET /api/runs/{id}/events. */
export const EventsQuery = Type.Object({
	last: Type.Optional(Type.Integer({ minimum: 1, maximum: 5000, description: 'Only the last.' })),
	fromId: Type.Optional(Type.Integer({ minimum: 0, description: 'Only those with a higher id.' })),
	fromStep: Type.Optional(Type.Integer({ minimum: 0, description: 'Only from this step on.' })),
	limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 5000, default: 500 })),
	level: Type.Optional(oneOf(LEVELS)),
	kind: Type.Optional(Type.String({ description: 'Only of this kind, as `eval_summary`.' })),
})

export const EventRowSchema = named(
	'EventRow',
	Type.Object({
		id: Type.Integer({ minimum: 1, description: 'Number within the run.' }),
		run_id: Type.String(),
		step: nullable(Type.Number()),
		level: oneOf(LEVELS),
		kind: Type.String(),
		message: Type.String(),
		payload: Type.Unknown(),
		created_at: Type.String(),
	}),
)
export type EventRowSchema = Static<typeof EventRowSchema>

/** Query of GET /api/runs/{id}/samples. */
export const SamplesQuery = Type.Object({
	step: Type.Optional(Type.Integer({ minimum: 0, description: 'Only those of this step.' })),
})

export const SampleRow = named(
	'SampleRow',
	Type.Object({
		run_id: Type.String(),
		step: nullable(Type.Number()),
		idx: Type.Integer({ minimum: 0, description: 'Number within those of the same time.' }),
		prompt: Type.String(),
		output: Type.String(),
		trend: Type.Unknown(),
		created_at: Type.String(),
	}),
)
export type SampleRow = Static<typeof SampleRow>

export const CheckpointRow = named(
	'CheckpointRow',
	Type.Object({
		run_id: Type.String(),
		step: Type.Integer(),
		model: Type.String({ description: 'Model id that asks for it.', example: 'my-run@400' }),
		filename: Type.String(),
		file_size: Type.Integer(),
		created_at: Type.String(),
	}),
)
export type CheckpointRow = Static<typeof CheckpointRow>

export const TrainingText = named(
	'TrainingText',
	Type.Object({
		text: Type.String({ description: 'The beginning of what the run was trained on.' }),
		bytes: count,
		lines: count,
	}),
)

export const DomainRow = named(
	'Domain',
	Type.Object({
		id: Type.String(),
		display_name: Type.String(),
		tokenizer: Type.String(),
		sample_prompts: Type.Array(Type.String()),
		model_defaults: AnyObject,
		train_defaults: AnyObject,
	}),
)
export type DomainRow = Static<typeof DomainRow>

/** Query of GET /api/training/live. */
export const LiveQuery = Type.Object({
	run: Type.Optional(Type.String({ description: 'Only news of this run.' })),
})

/** Query of DELETE /api/models. */
export const DeleteQuery = Type.Object({
	name: Type.String({ minLength: 1, description: 'Its directory.', example: 'my-run' }),
})

export const Deleted = named('Deleted', Type.Object({ ok: Type.Boolean(), deleted: Type.String() }))

import { Type } from '@sinclair/typebox'

const AnyObject = Type.Object({}, { additionalProperties: true })

/** A run of GET /api/models. */
export const RunSchema = Type.Object({
	id: Type.String({ example: 'novels-austen' }),
	name: Type.String({ description: 'Same as `id`.' }),
	step: Type.Integer({ description: 'Training step of the checkpoint that is served.' }),
	mtime: Type.Number({ description: 'Time of the checkpoint, milliseconds since 1970.' }),
	lastLoss: Type.Number({ nullable: true, description: 'Last loss of metrics.jsonl.' }),
	domain: Type.String({ nullable: true }),
	modelConfig: AnyObject,
	trainConfig: AnyObject,
	state: Type.Optional(Type.String({ description: 'Only of a run that cannot be served.' })),
	reason: Type.Optional(Type.String({ nullable: true, description: 'Why it cannot be served.' })),
})

export const RunListSchema = Type.Array(RunSchema)

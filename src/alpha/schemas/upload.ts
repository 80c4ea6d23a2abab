import { Type } from '@sinclair/typebox'

const AnyObject = Type.Object({}, { additionalProperties: true })

/** JSON body of POST /api/upload. For the document only: the body is read as a stream. */
export const UploadBody = Type.Object({
	name: Type.String({
		pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$',
		description: 'Name of the run, which becomes the model id.',
		example: 'my-run',
	}),
	config: { ...AnyObject, description: 'Contents of config.json.' },
	checkpoint: { ...AnyObject, description: 'Contents of checkpoint-N.json.' },
	step: Type.Integer({
		minimum: 0,
		maximum: Number.MAX_SAFE_INTEGER,
		description: 'Training step.',
	}),
	metrics: Type.Optional(
		Type.String({ nullable: true, description: 'Contents of metrics.jsonl.' }),
	),
})

/** Answer of POST /api/upload. */
export const UploadAnswer = Type.Object({
	ok: Type.Boolean(),
	name: Type.String({ description: 'The model id.' }),
	step: Type.Integer({ minimum: 0 }),
})

import { Type } from '@sinclair/typebox'

const AnyObject = Type.Object({}, { additionalProperties: true })

const trainingData = Type.Optional(
	Type.String({ nullable: true, description: 'The beginning of what it was trained on.' }),
)

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
	trainingData,
})

const UploadId = Type.String({
	minLength: 1,
	maxLength: 1024,
	description: 'Any text, the same for all pieces or files of an upload.',
})

/** Headers of POST /api/upload for the files of a model. */
export const ModelFileHeaders = Type.Partial(
	Type.Object({
		'X-Model-File': Type.String({
			pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$',
			description: 'Name of the file in its directory.',
			example: 'model.safetensors',
		}),
		'X-Upload-Id': UploadId,
		'X-Checkpoint-Name': Type.String({
			description: 'Name of the run, where the body is all of it.',
		}),
		'X-Checkpoint-Step': Type.Integer({ minimum: 0 }),
	}),
)

/** Answer of POST /api/upload to a file of a model of several. */
export const FileAnswer = Type.Object({
	ok: Type.Boolean(),
	file: Type.String({ description: 'It is stored until the others have come, or for an hour.' }),
})

/** Headers of POST /api/upload/chunk. */
export const PieceHeaders = Type.Object({
	'X-Upload-Id': UploadId,
	'X-Chunk-Index': Type.Integer({ minimum: 0, maximum: 65_535 }),
	'X-Total-Chunks': Type.Integer({
		minimum: 1,
		maximum: 65_536,
		description: 'Pieces that the upload has.',
	}),
})

/** Answer of POST /api/upload/chunk. */
export const PieceAnswer = Type.Object({
	ok: Type.Boolean(),
	chunk: Type.Integer({ minimum: 0 }),
	received: Type.Integer({ minimum: 0, description: 'Pieces that are there.' }),
	total: Type.Integer({ minimum: 1 }),
})

/** JSON body of POST /api/upload/assemble. For the document only. */
export const AssembleBody = Type.Object({
	uploadId: Type.String({ minLength: 1, maxLength: 1024 }),
	name: Type.String({
		minLength: 1,
		maxLength: 1024,
		description: 'Run id. The model id is made of it.',
		example: 'my run 7',
	}),
	step: Type.Optional(UploadBody.properties.step),
	totalChunks: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_536 })),
	config: Type.Optional(UploadBody.properties.config),
	files: Type.Optional(
		Type.Array(ModelFileHeaders.properties['X-Model-File'], {
			minItems: 1,
			maxItems: 1100,
			description: 'Instead of `totalChunks` and `config`: the files that make a model.',
			example: ['config.json', 'model.safetensors', 'tokenizer.json'],
		}),
	),
	metrics: UploadBody.properties.metrics,
	trainingData,
})

/** Answer of POST /api/upload and of /api/upload/assemble. */
export const UploadAnswer = Type.Object({
	ok: Type.Boolean(),
	name: Type.String({ description: 'The model id.' }),
	step: Type.Integer({ minimum: 0 }),
})

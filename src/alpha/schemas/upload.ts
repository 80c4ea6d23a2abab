import { Type } from '@sinclair/typebox'
import { named } from '../../wire/fields.ts'

const AnyObject = Type.Object({}, { additionalProperties: true })

const trainingData = Type.Optional(
	Type.String({ nullable: true, description: 'The beginning of what it was trained on.' }),
)

/** A whole model, of two characters and random numbers: what is tried with it works. */
const exampleConfig = { vocabSize: 2, blockSize: 8, nLayer: 1, nEmbd: 2, nHead: 1 }
const exampleCheckpoint = {
	modelConfig: exampleConfig,
	params: {
		wte: { shape: [2, 2], data: [0.4, -0.3, 0.3, -0.3] },
		wpe: {
			shape: [8, 2],
			data: [
				0.1, 0.4, 0.2, -0.2, 0.2, -0.2, -0.5, 0.1, -0.1, -0.3, -0.3, 0.1, -0.1, 0.4, -0.1, 0.1,
			],
		},
		'layer.0.ln1.weight': { shape: [2], data: [0.1, -0.1] },
		'layer.0.ln1.bias': { shape: [2], data: [-0.4, 0.1] },
		'layer.0.attn.wq': { shape: [2, 2], data: [0.5, 0.3, -0.5, -0.2] },
		'layer.0.attn.wk': { shape: [2, 2], data: [0.1, 0.2, -0.1, -0.2] },
		'layer.0.attn.wv': { shape: [2, 2], data: [-0.2, 0.1, 0.1, -0.3] },
		'layer.0.attn.wo': { shape: [2, 2], data: [0.2, 0.4, -0.2, -0.2] },
		'layer.0.ln2.weight': { shape: [2], data: [0.2, -0.4] },
		'layer.0.ln2.bias': { shape: [2], data: [-0.2, 0.1] },
		'layer.0.mlp.fc1': {
			shape: [8, 2],
			data: [
				-0.1, 0.4, 0.3, -0.4, 0.3, 0.3, -0.1, 0.3, 0.4, -0.3, -0.2, 0.4, -0.2, -0.1, -0.5, 0.2,
			],
		},
		'layer.0.mlp.fc2': {
			shape: [2, 8],
			data: [
				0.5, 0.1, 0.2, 0.1, -0.1, -0.1, -0.4, 0.3, -0.5, -0.4, 0.1, -0.1, 0.2, 0.2, -0.1, -0.4,
			],
		},
		'lnF.weight': { shape: [2], data: [0.3, 0.4] },
		'lnF.bias': { shape: [2], data: [-0.4, 0.1] },
		lmHead: { shape: [2, 2], data: [0.1, 0.1, 0.2, 0.1] },
	},
	tokenizerArtifacts: { type: 'char', vocabSize: 2, vocab: ['a', 'b'] },
	step: 7,
}

/** JSON body of POST /api/upload. For the document only: the body is read as a stream. */
export const UploadBody = named(
	'Upload',
	Type.Object(
		{
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
				description: 'Training step, which names the checkpoint.',
				example: 7,
			}),
			metrics: Type.Optional(
				Type.String({ nullable: true, description: 'Contents of metrics.jsonl.' }),
			),
			trainingData,
		},
		{
			example: {
				name: 'my-run',
				config: { modelConfig: exampleConfig },
				checkpoint: exampleCheckpoint,
				step: 7,
				metrics: '{"step":7,"loss":0.69}\n',
				trainingData: 'abababab',
			},
		},
	),
)

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
			description: 'Name of the file in its directory, for instance `model.safetensors`.',
		}),
		'X-Upload-Id': UploadId,
		'X-Checkpoint-Name': Type.String({
			description: 'Name of the run, where the body is all of it.',
			example: 'my-run',
		}),
		'X-Checkpoint-Step': Type.Integer({
			minimum: 0,
			description: 'Training step, where the body is a checkpoint.',
			example: 7,
		}),
		'X-Checkpoint-Config': Type.String({
			description: 'Contents of config.json in base64, beside the bytes of a checkpoint.',
		}),
		'X-Checkpoint-Metrics': Type.String({ description: 'Contents of metrics.jsonl in base64.' }),
	}),
)

/** Answer of POST /api/upload to a file of a model of several. */
export const FileAnswer = named(
	'StoredFile',
	Type.Object({
		ok: Type.Boolean(),
		file: Type.String({ description: 'It is stored until the others have come, or for an hour.' }),
	}),
)

/** Headers of POST /api/upload/chunk. */
export const PieceHeaders = Type.Object({
	'X-Upload-Id': { ...UploadId, example: 'my-run_7' },
	'X-Chunk-Index': Type.Integer({
		minimum: 0,
		maximum: 65_535,
		description: 'Which piece this is, from 0.',
		example: 0,
	}),
	'X-Total-Chunks': Type.Integer({
		minimum: 1,
		maximum: 65_536,
		description: 'Pieces that the upload has.',
		example: 2,
	}),
})

/** Answer of POST /api/upload/chunk. */
export const PieceAnswer = named(
	'StoredPiece',
	Type.Object({
		ok: Type.Boolean(),
		chunk: Type.Integer({ minimum: 0 }),
		received: Type.Integer({ minimum: 0, description: 'Pieces that are there.' }),
		total: Type.Integer({ minimum: 1 }),
	}),
)

/** JSON body of POST /api/upload/assemble. For the document only. */
export const AssembleBody = named(
	'Assembly',
	Type.Object(
		{
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
		},
		{
			example: {
				uploadId: 'my-run_7',
				name: 'my-run',
				step: 7,
				totalChunks: 2,
				config: { modelConfig: exampleConfig },
			},
		},
	),
)

/** Answer of POST /api/upload and of /api/upload/assemble. */
export const UploadAnswer = named(
	'Uploaded',
	Type.Object({
		ok: Type.Boolean(),
		name: Type.String({ description: 'The model id.' }),
		step: Type.Integer({ minimum: 0 }),
	}),
)

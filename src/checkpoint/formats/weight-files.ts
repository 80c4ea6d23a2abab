/** Where Hugging Face's libraries save weights, best first: of several, one is read, the others are not opened. */
export const WEIGHT_FILES = [
	'model.safetensors',
	'model.safetensors.index.json',
	'pytorch_model.bin',
	'pytorch_model.bin.index.json',
] as const

/** Pieces that an index names. */
export const SHARD_NAME = /^(?:model-[\w.-]+\.safetensors|pytorch_model-[\w.-]+\.bin)$/

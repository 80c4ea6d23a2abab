/** Opens a checkpoint of whatever form: a file told by its first bytes, or a directory by its files. */
import { isBinaryForm, openBinary } from './binary.ts'
import type { ByteSource } from './byte-source.ts'
import { CheckpointError } from './checkpoint-error.ts'
import { isGgufName, openGguf } from './gguf.ts'
import { isGguf } from './gguf-header.ts'
import { isHuggingFace, openHuggingFace } from './huggingface.ts'
import { openJson } from './json.ts'
import { isLlama2cName, openLlama2c } from './llama2c.ts'
import type { ModelDirectory } from './model-directory.ts'
import { findNanochat, openNanochat } from './nanochat.ts'
import { isNanoGpt, openNanoGpt } from './nanogpt.ts'
import { findStateDict, openStateDict } from './state-dict.ts'
import type { CheckpointFile } from './types.ts'
import { WEIGHT_FILES } from './weight-files.ts'

/** Bytes by which the form is told; the file's name says nothing. */
const SNIFFED_BYTES = 4

/**
 * Reads the structure of a checkpoint: all of it but the numbers. Allocates in proportion to what is
 * there, never to what is declared. The source must stay open while tensors are read.
 */
export function openCheckpoint(source: ByteSource): CheckpointFile {
	if (source.size < SNIFFED_BYTES) {
		throw new CheckpointError(`expected a checkpoint, got a file of ${source.size} bytes`)
	}
	const start = new Uint8Array(SNIFFED_BYTES)
	source.read(start, 0)
	if (isGguf(start)) return openGguf(source)
	return isBinaryForm(start) ? openBinary(source) : openJson(source)
}

/** The same for what another trainer wrote as a directory. */
export function openDirectory(directory: ModelDirectory): CheckpointFile {
	if (isHuggingFace(directory)) return openHuggingFace(directory)
	const gguf = directory.names.filter(isGgufName).sort()[0]
	if (gguf !== undefined) return openGguf(directory.open(gguf))
	if (isNanoGpt(directory)) return openNanoGpt(directory)
	const nanochat = findNanochat(directory.names).at(-1)
	if (nanochat !== undefined) return openNanochat(directory, nanochat)
	const stateDict = directory.has('config.json') ? findStateDict(directory.names) : undefined
	if (stateDict !== undefined) return openStateDict(directory, stateDict)
	const llama2c = directory.names.filter(isLlama2cName).sort()[0]
	if (llama2c !== undefined) return openLlama2c(directory, llama2c)
	throw new CheckpointError(
		`expected weights in ${WEIGHT_FILES.join(', ')}, *.gguf, ckpt.pt or model_<step>.pt, got none`,
	)
}

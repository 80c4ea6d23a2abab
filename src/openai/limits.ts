/** Caps and defaults of the /v1 endpoints. */
import { TOP_LOGPROBS_MAX } from '../engine/generation.ts'

export const chatMaxTokensDefault = 2048
export const legacyMaxTokensDefault = 16
export const chatTemperatureDefault = 0.7
export const legacyTemperatureDefault = 1
/** Choices of one prompt; `--sequences-max` and the queue may allow fewer. */
export const choicesMax = 64
/** Prompts of one completion request. */
export const promptsMax = 64
/** Characters of several prompts together: all of them are encoded. */
export const promptsCharactersMax = 512 * 1024
/** Token ids of the prompts of one request together: each is looked up, and decoded for an echo. */
export const promptsTokensMax = 128 * 1024
/** Code points that /tokenize encodes. */
export const tokenizeCharactersMax = 512 * 1024
/** Prompts times choices of one completion request. */
export const sequencesMax = 128
/** Inputs of one embeddings request. */
export const embeddingInputsMax = 256
export const logitBiasEntriesMax = 1024
export const stopSequencesMax = 64
/** Code points of one stop text. */
export const stopCharactersMax = 1024
export const topLogprobsMax = TOP_LOGPROBS_MAX
export const logitBiasMax = 100
export const stopTokenIdsMax = 64
/** Calls of one answer, where it may have several. */
export const parallelCallsMax = 8
/** Characters of a function's name. */
export const toolNameLengthMax = 128
/** Characters of the instructions of a response, which its events repeat. */
export const instructionsCharactersMax = 1024 * 1024

/** Caps and defaults that both dialects share. */

/** More tokens than this are never generated for one choice; larger wishes are clamped. */
export const completionTokensMax = 2048
export const temperatureMax = 2
/** What the clients of llama.cpp and Ollama are used to. */
export const topKDefault = 40
/** Token ids, and counts of tokens of a vocabulary: they fit into 32 bits with a sign. */
export const int32Max = 2 ** 31 - 1
/** Characters of a model's id in a request, far above those of any that can exist. */
export const modelCharactersMax = 1024

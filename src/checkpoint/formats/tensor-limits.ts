/** Longest name of a tensor that is looked at. */
export const TENSOR_NAME_LENGTH_MAX = 256

/** Most tensors of a file, optimizer buffers included; a model of 512 layers has some 20,000. */
export const TENSOR_COUNT_MAX = 65_536

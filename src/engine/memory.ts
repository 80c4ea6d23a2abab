/** What a loaded model takes beside its weights; known before it is loaded. */
import { type Kernels, kvBlockTokens } from '../kernels/binding.ts'
import { Fault } from '../lib/fault.ts'
import { networkOf } from '../model/families.ts'
import type { Dtype, ModelConfig } from '../model/model-config.ts'
import { bufferFloats } from '../model/network.ts'
import { kvBlockBytes } from '../model/ops.ts'
import type { RunnerLimits } from './messages.ts'

/**
 * KV blocks of a model: what its sequences can use, within the budget, and at least one context. A
 * sequence uses a window, and half of one more while the next is read ahead.
 */
export function kvBlockCount(
	kernels: Kernels,
	config: ModelConfig,
	dtype: Dtype,
	limits: RunnerLimits,
): number {
	const perSequence = Math.ceil(config.contextLength / kvBlockTokens)
	const blockBytes = kvBlockBytes(kernels, networkOf(config), dtype)
	const affordable = Math.floor(limits.kvBytesMax / blockBytes)
	const ahead = Math.ceil(Math.floor(config.contextLength / 2) / kvBlockTokens)
	return Math.max(perSequence, Math.min((perSequence + ahead) * limits.sequencesMax, affordable))
}

/** Most bytes that keys and values of one model take: they are one array. */
export const KV_BYTES_MAX = 4 * 2 ** 30

/**
 * Most memory that a model's keys, values, activations and angles take beside its weights, in bytes. Throws Fault
 * `no-room` for a model of which not even one context fits.
 */
export function runnerBytes(
	kernels: Kernels,
	config: ModelConfig,
	dtype: Dtype,
	limits: RunnerLimits,
): number {
	const network = networkOf(config)
	const kvBytes =
		kvBlockCount(kernels, config, dtype, limits) * kvBlockBytes(kernels, network, dtype)
	if (kvBytes > KV_BYTES_MAX) {
		const [needed, max] = [kvBytes, KV_BYTES_MAX].map(
			(bytes) => `${Math.ceil(bytes / 2 ** 20)} MiB`,
		)
		throw new Fault(
			'no-room',
			`One context of the model needs ${needed}, at most ${max} can be had.`,
		)
	}
	const rotary = network.rotaries.reduce((sum, { bytes }) => sum + bytes, 0)
	return kvBytes + bufferFloats(network, limits.rowsMax) * 4 + rotary
}

/*
 * Rotary position embeddings: queries and keys are turned by angles that grow with their position, so
 * that scores depend on distances. Su et al. 2021, "RoFormer".
 */
import type { Address } from '../kernels/binding.ts'
import { type Pinned, pinned } from '../kernels/buffer.ts'
import type { ConfigFields } from './config-fields.ts'
import type { RotaryConfig, RotaryScaling } from './model-config.ts'

/**
 * The angles of a network. The table of a long context takes a moment to compute, so it grows with the
 * positions that are met.
 */
export class Rotary {
	readonly channels: number
	/** Channel 2i turns with 2i + 1, instead of i with i + channels / 2. */
	readonly isPaired: boolean
	readonly #sign: 1 | -1
	readonly #frequencies: Float32Array
	readonly #contextLength: number
	/** [contextLength, channels]: the cosines of a position, then its sines; made when it is used first. */
	#table: Pinned<Float32Array> | null = null
	#positions = 0

	constructor(
		{ channels, pairing, isReversed, theta, scaling }: RotaryConfig,
		contextLength: number,
	) {
		const half = channels / 2
		this.channels = channels
		this.#sign = isReversed ? -1 : 1
		this.isPaired = pairing === 'neighbours'
		this.#contextLength = contextLength
		// Rounded to f32 as the original implementations round them.
		this.#frequencies = Float32Array.from({ length: half }, (_, i) =>
			scaled(plainFrequency(theta, i / half), scaling, i),
		)
	}

	/** Size of the whole table. */
	get bytes(): number {
		return this.#contextLength * this.channels * Float32Array.BYTES_PER_ELEMENT
	}

	/** Address of the table, whose rows up to a position are filled. */
	tableUpTo(position: number): Address {
		this.#table ??= pinned(new Float32Array(this.#contextLength * this.channels))
		const { array, address } = this.#table
		const half = this.channels / 2
		for (; this.#positions <= position; this.#positions++) {
			const row = this.#positions * this.channels
			for (let i = 0; i < half; i++) {
				const angle = Math.fround(this.#positions * this.#frequencies[i]!)
				array[row + i] = Math.cos(angle)
				array[row + half + i] = this.#sign * Math.sin(angle)
			}
		}
		return address
	}
}

function plainFrequency(theta: number, share: number): number {
	return Math.fround(1 / Math.fround(theta ** share))
}

/** By what each frequency was divided. */
export function frequencyDivisors({ channels, theta, scaling }: RotaryConfig): Float32Array {
	const half = channels / 2
	return Float32Array.from({ length: half }, (_, i) => {
		const frequency = plainFrequency(theta, i / half)
		return frequency / scaled(frequency, scaling, i)
	})
}

function scaled(frequency: number, scaling: RotaryScaling, index: number): number {
	if (scaling.kind === 'none') return frequency
	if (scaling.kind === 'divisors') return frequency / scaling.divisors[index]!
	const { factor } = scaling
	if (scaling.kind === 'linear') return frequency / factor
	const { lowFactor, highFactor, firstContext } = scaling
	const wavesInContext = (firstContext * frequency) / (2 * Math.PI)
	if (wavesInContext < lowFactor) return frequency / factor
	if (wavesInContext > highFactor) return frequency
	const smooth = (wavesInContext - lowFactor) / (highFactor - lowFactor)
	return ((1 - smooth) * frequency) / factor + smooth * frequency
}

/** Where configs before transformers 5 have the settings, the first that is there. */
interface OlderKeys {
	readonly thetaKeys: readonly string[]
	/** Share of a head's channels that are turned. */
	readonly shareKeys: readonly string[]
	readonly shareDefault: number
}

/**
 * Reads the settings of Hugging Face's configs: `rope_parameters` since transformers 5, before that fields
 * at the top and `rope_scaling`. Throws ModelConfigError for scalings that are not computed.
 */
export function parseRotary(
	fields: ConfigFields,
	headDim: number,
	{ thetaKeys, shareKeys, shareDefault }: OlderKeys,
): RotaryConfig {
	const parameters = fields.section('rope_parameters')
	const section = parameters ?? fields
	const keyOf = (newer: string, older: readonly string[]) =>
		parameters ? newer : (older.find((key) => fields.has(key)) ?? newer)
	const theta = section.positive(keyOf('rope_theta', thetaKeys), 10_000)
	const shareKey = keyOf('partial_rotary_factor', shareKeys)
	const channels = Math.floor(headDim * section.positive(shareKey, shareDefault))
	if (channels % 2 !== 0 || channels === 0 || channels > headDim) {
		section.refuse(shareKey, `a share that turns an even number of a head's ${headDim} channels`)
	}
	const scaling = parseScaling(parameters ?? fields.section('rope_scaling'))
	return { channels, pairing: 'halves', theta, scaling }
}

const SCALINGS = { default: 'none', linear: 'linear', llama3: 'llama3' } as const

function parseScaling(fields: ConfigFields | null): RotaryScaling {
	if (fields === null) return { kind: 'none' }
	const kind = fields.oneOf(fields.has('type') ? 'type' : 'rope_type', SCALINGS, 'default')
	if (kind === 'none') return { kind }
	const factor = fields.positive('factor')
	if (kind === 'linear') return { kind, factor }
	const lowFactor = fields.positive('low_freq_factor')
	const highFactor = fields.positive('high_freq_factor')
	if (highFactor <= lowFactor) {
		fields.refuse('high_freq_factor', `a number above low_freq_factor ${lowFactor}`)
	}
	const firstContext = fields.positive('original_max_position_embeddings')
	return { kind, factor, lowFactor, highFactor, firstContext }
}

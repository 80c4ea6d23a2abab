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
	readonly #factor: number
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
			scaled({ channels, theta, scaling }, i),
		)
		this.#factor = 'attentionFactor' in scaling ? Math.fround(scaling.attentionFactor ?? 1) : 1
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
				array[row + i] = this.#factor * Math.fround(Math.cos(angle))
				array[row + half + i] = this.#sign * this.#factor * Math.fround(Math.sin(angle))
			}
		}
		return address
	}
}

function plainFrequency(theta: number, share: number): number {
	return Math.fround(1 / Math.fround(theta ** share))
}

/** By what each frequency was divided. */
export function frequencyDivisors(config: RotaryConfig): Float32Array {
	const half = config.channels / 2
	return Float32Array.from({ length: half }, (_, i) => {
		return plainFrequency(config.theta, i / half) / scaled(config, i)
	})
}

type Frequencies = Pick<RotaryConfig, 'channels' | 'theta' | 'scaling'>

function scaled(config: Frequencies, index: number): number {
	const { channels, theta, scaling } = config
	const frequency = plainFrequency(theta, index / (channels / 2))
	if (scaling.kind === 'none') return frequency
	if (scaling.kind === 'divisors') return frequency / scaling.divisors[index]!
	const { factor } = scaling
	if (scaling.kind === 'yarn') {
		const stretched = stretchedShare(config, scaling, index)
		return (stretched * frequency) / factor + (1 - stretched) * frequency
	}
	if (scaling.kind === 'linear') return frequency / factor
	const { lowFactor, highFactor, firstContext } = scaling
	const wavesInContext = (firstContext * frequency) / (2 * Math.PI)
	if (wavesInContext < lowFactor) return frequency / factor
	if (wavesInContext > highFactor) return frequency
	const smooth = (wavesInContext - lowFactor) / (highFactor - lowFactor)
	return ((1 - smooth) * frequency) / factor + smooth * frequency
}

/** How far a frequency is on the way from those that stay, 0, to those that are stretched, 1. */
function stretchedShare(
	{ channels, theta }: Frequencies,
	{ fastTurns, slowTurns, firstContext, isTruncated }: RotaryScaling & { kind: 'yarn' },
	index: number,
): number {
	/** The channel whose frequency makes so many turns in the first context. */
	const channelOf = (turns: number) =>
		(channels * Math.log(firstContext / (turns * 2 * Math.PI))) / (2 * Math.log(theta))
	const [first, last] = [channelOf(fastTurns), channelOf(slowTurns)]
	const low = Math.max(isTruncated ? Math.floor(first) : first, 0)
	const high = Math.min(isTruncated ? Math.ceil(last) : last, channels - 1)
	const width = low === high ? 1e-3 : high - low
	return Math.min(Math.max((index - low) / width, 0), 1)
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
	const scaling = parseScaling(parameters ?? fields.section('rope_scaling'), fields, channels)
	return { channels, pairing: 'halves', theta, scaling }
}

const SCALINGS = {
	default: 'none',
	linear: 'linear',
	llama3: 'llama3',
	yarn: 'yarn',
	longrope: 'longrope',
} as const

function parseScaling(
	fields: ConfigFields | null,
	config: ConfigFields,
	channels: number,
): RotaryScaling {
	if (fields === null) return { kind: 'none' }
	const kind = fields.oneOf(fields.has('type') ? 'type' : 'rope_type', SCALINGS, 'default')
	if (kind === 'none') return { kind }
	if (kind === 'longrope') return parseLongRope(fields, config, channels)
	if (kind === 'yarn') return parseYarn(fields, config)
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

/** Positions of the first training, in the scaling's own fields or in the config's. */
function firstContextOf(fields: ConfigFields, config: ConfigFields): number {
	const key = 'original_max_position_embeddings'
	if (fields.has(key)) return fields.positive(key)
	return config.positive(config.has(key) ? key : 'max_position_embeddings')
}

function parseYarn(fields: ConfigFields, config: ConfigFields): RotaryScaling {
	const firstContext = firstContextOf(fields, config)
	const factor = fields.has('factor')
		? fields.positive('factor')
		: config.positive('max_position_embeddings') / firstContext
	const logFactor = (weight: number) => (factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1)
	const weights = ['mscale', 'mscale_all_dim'] as const
	const [weight, weightOfAll] = weights.map((key) => (fields.has(key) ? fields.number(key) : 0))
	const fallback = weight && weightOfAll ? logFactor(weight) / logFactor(weightOfAll) : logFactor(1)
	return {
		kind: 'yarn',
		factor,
		attentionFactor: fields.positive('attention_factor', fallback),
		fastTurns: fields.positive('beta_fast', 32),
		slowTurns: fields.positive('beta_slow', 1),
		firstContext,
		isTruncated: fields.flag('truncate', true),
	}
}

/**
 * Its long divisors hold for all positions of a text that outgrows the first context, the earlier ones too:
 * what was computed before cannot be kept. So texts have the first context's length at most (`contextLimit`),
 * and the short divisors hold.
 */
function parseLongRope(
	fields: ConfigFields,
	config: ConfigFields,
	channels: number,
): RotaryScaling {
	const firstContext = firstContextOf(fields, config)
	const factor = fields.has('factor')
		? fields.positive('factor')
		: config.positive('max_position_embeddings') / firstContext
	const fallback = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(firstContext))
	return {
		kind: 'divisors',
		divisors: fields.positives('short_factor', channels / 2),
		attentionFactor: fields.positive('attention_factor', fallback),
	}
}

/** Most positions for which a config's rotary scaling can be computed; Infinity = any number. */
export function contextLimit(fields: ConfigFields): number {
	const section = fields.section('rope_parameters') ?? fields.section('rope_scaling')
	const kind = section?.value('rope_type') ?? section?.value('type')
	return section && kind === 'longrope' ? firstContextOf(section, fields) : Number.POSITIVE_INFINITY
}

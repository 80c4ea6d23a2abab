// Revisions of nanochat for which no fixture exists, against the equations of each written out plainly.
import { expect, test } from 'bun:test'
import { openKernels } from '../../src/kernels/binding.ts'
import { parseNanochatConfig } from '../../src/model/families/nanochat.ts'
import type { NanochatConfig } from '../../src/model/model-config.ts'
import { packTensor, weightLayout } from '../../src/model/weights.ts'
import { forwardPass } from '../helpers/forward-pass.ts'
import { uniform } from '../helpers/random-model.ts'
import { libraryPath } from '../helpers/test-engine.ts'

const kernels = openKernels(libraryPath)
kernels.select('')

const SETTINGS = {
	sequence_len: 40,
	vocab_size: 50,
	n_layer: 4,
	n_head: 4,
	n_kv_head: 2,
	n_embd: 32,
	window_pattern: 'SL',
}

type Row = readonly number[]
type Weights = ReadonlyMap<
	string,
	{ readonly shape: readonly number[]; readonly data: Float32Array }
>

const dot = (a: Row, b: Row) => a.reduce((sum, x, i) => sum + x * b[i]!, 0)
const add = (a: Row, b: Row, factor = 1) => a.map((x, i) => x + factor * b[i]!)
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))
const normalized = (x: Row) => {
	const scale = 1 / Math.sqrt(dot(x, x) / x.length + 2 ** -23)
	return x.map((value) => value * scale)
}

/** Logits of the last of some tokens, in double precision. */
function plainLogits(config: NanochatConfig, weights: Weights, ids: readonly number[]): Row {
	const { nEmbd, nHead, nKvHead, nLayer, theta, sharpness, valueGate } = config
	const headDim = nEmbd / nHead
	const row = (name: string, index: number): Row => {
		const { shape, data } = weights.get(name)!
		return [...data.subarray(index * shape[1]!, (index + 1) * shape[1]!)]
	}
	const times = (name: string, x: Row): Row => {
		return Array.from({ length: weights.get(name)!.shape[0]! }, (_, i) => dot(row(name, i), x))
	}
	const heads = (x: Row) => {
		const count = x.length / headDim
		return Array.from({ length: count }, (_, h) => x.slice(h * headDim, (h + 1) * headDim))
	}
	const turned = (x: Row, position: number) => {
		const half = headDim / 2
		return x.map((value, i) => {
			const angle = position / theta ** ((i % half) / half)
			const other = i < half ? x[i + half]! : -x[i - half]!
			return value * Math.cos(angle) + other * Math.sin(angle)
		})
	}
	const embedded = ids.map((id) => normalized(row('wte.weight', id)))
	const first = embedded.map((x, t) => {
		if (!config.hasSmear || t === 0) return x
		const gate = sigmoid(dot(row('smear_gate.weight', 0), x.slice(0, 24)))
		return add(x, embedded[t - 1]!, weights.get('smear_lambda')!.data[0]! * gate)
	})
	let stream: Row[] = first
	let middle: Row[] = first
	for (let layer = 0; layer < nLayer; layer++) {
		if (config.hasLayerFactors) {
			const own = weights.get('resid_lambdas')!.data[layer]!
			const other = weights.get('x0_lambdas')!.data[layer]!
			stream = stream.map((x, t) =>
				add(
					x.map((value) => own * value),
					first[t]!,
					other,
				),
			)
		}
		const name = (part: string) => `h.${layer}.${part}.weight`
		const q: Row[][] = []
		const k: Row[][] = []
		const v: Row[][] = []
		for (const [t, x] of stream.map(normalized).entries()) {
			const sharp = (x: Row) => normalized(turned(x, t)).map((value) => value * sharpness)
			q.push(heads(times(name('attn.c_q'), x)).map(sharp))
			k.push(heads(times(name('attn.c_k'), x)).map(sharp))
			const values = heads(times(name('attn.c_v'), x))
			if (valueGate !== null && layer % 2 === (nLayer - 1) % 2) {
				const looked = heads(row(`value_embeds.${layer}.weight`, ids[t]!))
				const gates = times(name('attn.ve_gate'), x.slice(0, valueGate.inputs))
				const gated = (value: Row, h: number) =>
					add(value, looked[h]!, valueGate.scale * sigmoid(gates[h]!))
				v.push(values.map(gated))
			} else v.push(values)
		}
		const window = config.windows[layer] || ids.length
		stream = stream.map((x, t) => {
			const from = Math.max(0, t - window + 1)
			const out = q[t]!.flatMap((query, h) => {
				const shared = Math.floor(h / (nHead / nKvHead))
				const past = k.slice(from, t + 1).map((keys) => keys[shared]!)
				const scores = past.map((key) => Math.exp(dot(query, key) / Math.sqrt(headDim)))
				const sum = scores.reduce((a, b) => a + b, 0)
				return scores.reduce<Row>(
					(mean, score, i) => add(mean, v[from + i]![shared]!, score / sum),
					new Array(headDim).fill(0),
				)
			})
			const attended = add(x, times(name('attn.c_proj'), out))
			const hidden = times(name('mlp.c_fc'), normalized(attended))
			const squared = hidden.map((value) => Math.max(0, value) ** 2)
			return add(attended, times(name('mlp.c_proj'), squared))
		})
		if (layer === Math.floor(nLayer / 2)) middle = stream
	}
	const taken = config.hasBackout ? weights.get('backout_lambda')!.data[0]! : 0
	const last = normalized(add(stream.at(-1)!, middle.at(-1)!, -taken))
	const logits = times('lm_head.weight', last).slice(0, config.vocabSize)
	return logits.map((logit) => 15 * Math.tanh(logit / 15))
}

const gate = (inputs: number) => ({ 'h.3.attn.ve_gate.weight': [2, inputs] })

test.each([
	['October 2025', { 'wte.weight': [50, 32] }],
	['January 2026', { ...gate(32), resid_lambdas: [4] }],
	['March 9th, 2026', { ...gate(12), resid_lambdas: [4] }],
	['March 14th, 2026', { ...gate(12), resid_lambdas: [4], smear_lambda: [1], backout_lambda: [1] }],
])('the revision of %s is computed as its equations say', (_since, shapes) => {
	const shapeOf = (name: string) => (shapes as Record<string, number[]>)[name]
	const config = parseNanochatConfig(SETTINGS, shapeOf)
	const layout = weightLayout(kernels, config, 'f32')
	const arena = new SharedArrayBuffer(layout.totalBytes)
	const weights = new Map<string, { shape: readonly number[]; data: Float32Array }>()
	for (const { name, shape } of layout.network.tensors.values()) {
		const next = uniform(Bun.hash.crc32(name))
		const size = shape.reduce((product, n) => product * n, 1)
		const data = Float32Array.from({ length: size }, () => (next() - 0.5) * 0.8)
		weights.set(name, { shape, data })
		packTensor(kernels, layout, arena, name, data)
	}
	const forward = forwardPass(kernels, { config, dtype: 'f32', arena })
	for (const length of [1, 2, 30, 40]) {
		const ids = Array.from({ length }, (_, i) => (i * 7 + length) % config.vocabSize)
		const expected = plainLogits(config, weights, ids)
		const logits = [...forward(ids).logits.row(0)]
		expect(logits).toHaveLength(config.vocabSize)
		const distances = logits.map((logit, id) => Math.abs(logit - expected[id]!))
		expect(Math.max(...distances)).toBeLessThan(5e-5)
	}
})

/*
 * Our trainer's own decoder: GPT-2's layout without biases in its matrices, any of seven activations,
 * and attention scores that may be capped.
 */
import { compileActivation } from '../activation-program.ts'
import type { AlphaConfig } from '../model-config.ts'
import { NetworkBuilder } from '../network.ts'
import type { Family, Network } from './family.ts'

/** Learned numbers per channel of an activation, as checkpoints name them. */
export const LEARNED: Readonly<Record<string, readonly string[]>> = {
	universal: ['act_gate', 'act_skip'],
	kan_spline: ['kan_c0', 'kan_c1', 'kan_c2', 'kan_c3', 'kan_c4'],
}

export const alpha: Family<AlphaConfig> = { network: alphaNetwork, foreign: null }

function alphaNetwork(config: AlphaConfig): Network {
	const { vocabSize, contextLength, nLayer, nEmbd, nHead, ffnDim, activation, softCap } = config
	const { kind } = activation
	const headDim = nEmbd / nHead
	const norm = { bias: true, epsilon: 1e-5 }
	const isGated = kind === 'swiglu'
	const program = kind === 'composed' ? compileActivation(activation.graph) : null

	const build = new NetworkBuilder()
	const wte = build.table('wte', vocabSize, nEmbd)
	const wpe = build.table('wpe', contextLength, nEmbd)
	const layers = Array.from({ length: nLayer }, (_, i) => {
		const attn = `layer.${i}.attn`
		const mlp = `layer.${i}.mlp`
		const learned = (LEARNED[kind] ?? []).map((name) => `${mlp}.${name}`)
		return {
			ln1: build.layerNorm(`layer.${i}.ln1`, nEmbd, norm),
			qkv: build.matrix(
				nEmbd,
				{ [`${attn}.wqkv`]: 3 * nEmbd },
				{ [`${attn}.wq`]: nEmbd, [`${attn}.wk`]: nEmbd, [`${attn}.wv`]: nEmbd },
			),
			attention: build.attention({
				heads: nHead,
				kvHeads: nHead,
				headDim,
				softCap: softCap ?? 0,
			}),
			attentionOut: build.matrix(nEmbd, { [`${attn}.wo`]: nEmbd }),
			ln2: build.layerNorm(`layer.${i}.ln2`, nEmbd, norm),
			mlpUp: isGated
				? build.matrix(nEmbd, { [`${mlp}.fc_gate`]: ffnDim, [`${mlp}.fc_up`]: ffnDim })
				: build.matrix(nEmbd, { [`${mlp}.fc1`]: ffnDim }),
			mlpDown: build.matrix(ffnDim, { [`${mlp}.${isGated ? 'fc_proj' : 'fc2'}`]: nEmbd }),
			activation: build.activation(kind, ffnDim, learned, program),
		}
	})
	const lnF = build.layerNorm('lnF', nEmbd, norm)
	const lmHead = build.matrix(nEmbd, { lmHead: vocabSize })

	const x = build.buffer(nEmbd)
	const h = build.buffer(nEmbd)
	// q | k | v, later the hidden layer of the MLP.
	const wide = build.buffer(Math.max(3 * nEmbd, isGated ? 2 * ffnDim : ffnDim))
	const attended = build.buffer(nEmbd)
	const logits = build.buffer(vocabSize)

	return {
		...build.memory(),
		x,
		hidden: h,
		logits,
		finalNorm: lnF,
		head: lmHead,
		forward(ops) {
			ops.embed(x, wte, wpe)
			for (const layer of layers) {
				ops.norm(h, x, layer.ln1)
				ops.linear(wide, h, layer.qkv)
				ops.storeKeysValues(wide, layer.attention)
				if (layer === layers.at(-1) && !ops.keepWantedRows(x, wide)) return
				ops.attention(attended, wide, layer.attention)
				ops.addLinear(x, attended, layer.attentionOut)

				ops.norm(h, x, layer.ln2)
				ops.linear(wide, h, layer.mlpUp)
				ops.activate(wide, layer.activation)
				ops.addLinear(x, wide, layer.mlpDown)
			}
		},
	}
}

import type { ModelConfig } from './model-config.ts'

/** Where a checkpoint tensor goes: a plain f32 array, or some columns of a packed matrix. */
export type TensorTarget =
	| { readonly kind: 'plain'; readonly slot: string; readonly offset: number }
	| { readonly kind: 'packed'; readonly slot: string; readonly columnStart: number }

/** A parameter of the network as checkpoints name it. */
export interface TensorSpec {
	readonly name: string
	readonly shape: readonly number[]
	readonly target: TensorTarget
}

/** Memory of the served model: plain arrays in floats, packed matrices by their inputs and outputs. */
export type SlotSpec =
	| { readonly kind: 'plain'; readonly name: string; readonly floats: number }
	| { readonly kind: 'packed'; readonly name: string; readonly k: number; readonly n: number }

/** Everything that a model consists of, derived from its config alone. */
export interface ModelTensors {
	/** Tensors that a checkpoint must hold. `attn.wqkv` and its three parts are both listed. */
	readonly tensors: ReadonlyMap<string, TensorSpec>
	/**
	 * Alternatives of which one must be complete: `[[wqkv], [wq, wk, wv]]` of each layer. The first
	 * complete alternative is read, the others are ignored.
	 */
	readonly alternatives: readonly (readonly (readonly string[])[])[]
	readonly slots: readonly SlotSpec[]
}

/** Arrays of activation parameters are padded to this many floats, the kernels' virtual vector. */
const PARAMETER_STRIDE = 16

function padded(length: number): number {
	return Math.ceil(length / PARAMETER_STRIDE) * PARAMETER_STRIDE
}

/** Lists the tensors and the memory slots of a model. Shapes are [out, in] as in the checkpoint. */
export function modelTensors(config: ModelConfig): ModelTensors {
	const { vocabSize, contextLength, nLayer, nEmbd, ffnDim, activation } = config
	const tensors = new Map<string, TensorSpec>()
	const alternatives: (readonly (readonly string[])[])[] = []
	const slots: SlotSpec[] = []

	const plain = (name: string, shape: readonly number[], slot = name, offset = 0) => {
		tensors.set(name, { name, shape, target: { kind: 'plain', slot, offset } })
	}
	const plainSlot = (name: string, shape: readonly number[]) => {
		plain(name, shape)
		slots.push({ kind: 'plain', name, floats: shape.reduce((product, size) => product * size, 1) })
	}
	const columns = (name: string, slot: string, n: number, k: number, columnStart: number) => {
		tensors.set(name, { name, shape: [n, k], target: { kind: 'packed', slot, columnStart } })
	}
	const packedSlot = (name: string, n: number, k: number) => {
		slots.push({ kind: 'packed', name, k, n })
	}

	plainSlot('wte', [vocabSize, nEmbd])
	plainSlot('wpe', [contextLength, nEmbd])
	for (let layer = 0; layer < nLayer; layer++) {
		const at = `layer.${layer}.`
		plainSlot(`${at}ln1.weight`, [nEmbd])
		plainSlot(`${at}ln1.bias`, [nEmbd])
		const qkv = `${at}attn.wqkv`
		const parts = ['q', 'k', 'v'].map((part) => `${at}attn.w${part}`)
		packedSlot(qkv, 3 * nEmbd, nEmbd)
		columns(qkv, qkv, 3 * nEmbd, nEmbd, 0)
		for (const [i, part] of parts.entries()) columns(part, qkv, nEmbd, nEmbd, i * nEmbd)
		alternatives.push([[qkv], parts])
		packedSlot(`${at}attn.wo`, nEmbd, nEmbd)
		columns(`${at}attn.wo`, `${at}attn.wo`, nEmbd, nEmbd, 0)
		plainSlot(`${at}ln2.weight`, [nEmbd])
		plainSlot(`${at}ln2.bias`, [nEmbd])

		const up = `${at}mlp.up`
		const down = `${at}mlp.down`
		if (activation.kind === 'swiglu') {
			packedSlot(up, 2 * ffnDim, nEmbd)
			columns(`${at}mlp.fc_gate`, up, ffnDim, nEmbd, 0)
			columns(`${at}mlp.fc_up`, up, ffnDim, nEmbd, ffnDim)
			columns(`${at}mlp.fc_proj`, down, nEmbd, ffnDim, 0)
		} else {
			packedSlot(up, ffnDim, nEmbd)
			columns(`${at}mlp.fc1`, up, ffnDim, nEmbd, 0)
			columns(`${at}mlp.fc2`, down, nEmbd, ffnDim, 0)
		}
		packedSlot(down, nEmbd, ffnDim)
		const activationParameters = ACTIVATION_PARAMETERS[activation.kind] ?? []
		if (activationParameters.length > 0) {
			const slot = `${at}mlp.activation`
			const stride = padded(ffnDim)
			slots.push({ kind: 'plain', name: slot, floats: stride * activationParameters.length })
			for (const [i, name] of activationParameters.entries()) {
				plain(`${at}mlp.${name}`, [1, ffnDim], slot, i * stride)
			}
		}
	}
	plainSlot('lnF.weight', [nEmbd])
	plainSlot('lnF.bias', [nEmbd])
	packedSlot('lmHead', vocabSize, nEmbd)
	columns('lmHead', 'lmHead', vocabSize, nEmbd, 0)
	return { tensors, alternatives, slots }
}

/** Learned per-channel parameters of the MLP activations, in the order the kernel reads them. */
const ACTIVATION_PARAMETERS: Readonly<Record<string, readonly string[]>> = {
	universal: ['act_gate', 'act_skip'],
	kan_spline: ['kan_c0', 'kan_c1', 'kan_c2', 'kan_c3', 'kan_c4'],
}

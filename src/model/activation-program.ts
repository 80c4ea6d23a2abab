import type { ActivationNode } from './model-config.ts'

/** Kernel op codes of a composed activation (kernels.h). */
const BASIS_CODE = { silu: 0, relu: 1, gelu: 2, identity: 3, square: 4 } as const
const SCALE_CODE = 5
const COMBINE_CODE = { add: 6, mul: 7 } as const

/** An activation graph as a postfix program: one op code and one factor per step. */
export interface ActivationProgram {
	readonly ops: Int32Array
	/** Factor of the scale ops, 0 elsewhere. */
	readonly factors: Float32Array
}

/** Flattens a verified expression tree, children before their parent. */
export function compileActivation(graph: ActivationNode): ActivationProgram {
	const ops: number[] = []
	const factors: number[] = []
	const emit = (op: number, factor = 0) => {
		ops.push(op)
		factors.push(factor)
	}
	const visit = (node: ActivationNode): void => {
		if (node.type === 'basis') {
			emit(BASIS_CODE[node.op])
		} else if (node.type === 'scale') {
			visit(node.child)
			emit(SCALE_CODE, node.factor)
		} else {
			visit(node.left)
			visit(node.right)
			emit(COMBINE_CODE[node.type])
		}
	}
	visit(graph)
	return { ops: Int32Array.from(ops), factors: Float32Array.from(factors) }
}

import { kernelOps } from '../kernels/binding.ts'
import { type Pinned, pinned } from '../kernels/buffer.ts'
import type { ActivationNode } from './model-config.ts'

/** An activation graph as a postfix program: one op code and one factor per step. */
export interface ActivationProgram {
	readonly ops: Pinned<Int32Array>
	/** Factor of the scale ops, 0 elsewhere. */
	readonly factors: Pinned<Float32Array>
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
			emit(kernelOps[node.op])
		} else if (node.type === 'scale') {
			visit(node.child)
			emit(kernelOps.scale, node.factor)
		} else {
			visit(node.left)
			visit(node.right)
			emit(kernelOps[node.type])
		}
	}
	visit(graph)
	return { ops: pinned(Int32Array.from(ops)), factors: pinned(Float32Array.from(factors)) }
}

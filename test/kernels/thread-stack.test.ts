import { describe, expect, test } from 'bun:test'
import { threadState } from '../../src/kernels/thread-stack.ts'

/** Kernels whose watched thread never answers. */
const kernels = { threadStack: () => 0 }

describe('the state of a thread', () => {
	test('says where the system tells no stacks', () => {
		expect(threadState(kernels, 'libkernels', -1)).toEqual({ stack: 'this system tells no stacks' })
	})

	test('says when the thread does not answer', () => {
		const state = threadState(kernels, 'libkernels', process.pid)
		expect(state.stack).toBe('the thread does not answer')
	})
})

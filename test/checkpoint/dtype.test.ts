import { expect, test } from 'bun:test'
import { openDirectory } from '../../src/checkpoint/formats/open.ts'
import { inspectCheckpoint } from '../../src/checkpoint/load/worker/load.ts'
import { familyDirectory } from '../helpers/families.ts'
import { kernels } from './read-checkpoint.ts'

test.each([
	['gpt2', 'f32'],
	['gpt2-bf16', 'bf16'],
	['gpt2-fp16', 'f32'],
	['gguf-llama-bf16', 'bf16'],
	['gguf-gpt2-q8_0', 'int8'],
	['gguf-llama-q4_0', 'f32'],
	['llama2c-v2-q80', 'int8'],
] as const)('auto loads %s as %s, and asks for as much memory', (name, dtype) => {
	using directory = familyDirectory(name)
	const file = openDirectory(directory)
	const chosen = inspectCheckpoint(kernels, file, 'auto')
	expect(chosen.dtype).toBe(dtype)
	expect(chosen.arenaBytes).toBe(inspectCheckpoint(kernels, file, dtype).arenaBytes)
})

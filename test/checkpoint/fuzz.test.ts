import { expect, test } from 'bun:test'
import { fuzz } from './fuzz.ts'

test('mutated files and bodies are read or refused, nothing else', () => {
	expect(fuzz(4000, 1)).toBeGreaterThan(0)
})

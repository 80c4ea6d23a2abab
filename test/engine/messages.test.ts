import { expect, test } from 'bun:test'
import { decodeSteps, encodeSteps, type StepReport } from '../../src/engine/messages.ts'

const empty: StepReport = {
	prompts: [],
	tokens: [],
	finishes: [],
	embeddings: [],
	isUrgent: false,
	goesFirst: false,
}
const prompt = { requestId: 1, promptTokens: 3, cachedTokens: 0, logprobs: null }

function token(requestId: number, tokenId: number, logprob: number | null = null) {
	const scored = logprob === null ? null : { logprob, rank: 1, top: [] }
	return { requestId, choice: 0, tokenId, logprob: scored }
}

test('reports of some steps cross threads as one, with the tokens of each request in order', () => {
	const steps = [
		{ ...empty, prompts: [prompt], tokens: [token(1, 10), token(2, 20)] },
		{ ...empty, tokens: [token(1, 11), token(2, 21)] },
	]
	const { prompts, tokens } = decodeSteps(structuredClone(encodeSteps(steps)))
	expect(prompts).toEqual([prompt])
	expect(tokens).toEqual([token(1, 10), token(2, 20), token(1, 11), token(2, 21)])
})

test('log-probabilities stay with their tokens, and stop tokens with their ends', () => {
	const stopToken = { tokenId: 7, logprob: { logprob: -2, rank: 3, top: [] } }
	const finishes = [
		{ requestId: 1, choice: 0, finishReason: 'stop', stopToken },
		{ requestId: 2, choice: 1, finishReason: 'length', stopToken: null },
	] as const
	const steps = [
		{ ...empty, tokens: [token(2, 20)], finishes: finishes.slice(1) },
		{ ...empty, tokens: [token(1, 10, -0.5)], finishes: finishes.slice(0, 1) },
	]
	const decoded = decodeSteps(structuredClone(encodeSteps(steps)))
	expect(decoded.tokens).toEqual([token(2, 20), token(1, 10, -0.5)])
	expect(decoded.finishes).toEqual([finishes[1], finishes[0]])
})

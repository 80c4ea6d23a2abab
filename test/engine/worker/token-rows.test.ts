import { describe, expect, test } from 'bun:test'
import { SentRows } from '../../../src/engine/sent-rows.ts'
import { stateAfter } from '../../../src/engine/token-state.ts'
import { Sequence } from '../../../src/engine/worker/sequence.ts'
import { TokenRows } from '../../../src/engine/worker/token-rows.ts'
import { tokenState } from '../../helpers/token-state.ts'
import { generationRequest } from '../requests.ts'

const mask = (bits: number) => Uint32Array.of(bits)
const sequence = () =>
	new Sequence(1, 0, generationRequest([1], { constrained: true }), 'generate', 64)
const next = {
	tokenIds: Int32Array.of(2, 5, 9),
	stateIds: Int32Array.of(12, 15, 19),
	otherwise: 1,
}

test('the state after a token is the one that is listed, else the common one', () => {
	expect([0, 2, 3, 5, 9, 10].map((id) => stateAfter(next, id))).toEqual([1, 12, 1, 15, 19, 1])
	expect(stateAfter({ ...next, tokenIds: Int32Array.of(), stateIds: Int32Array.of() }, 4)).toBe(1)
})

describe('the worker', () => {
	test('lets a sequence draw as soon as the row of its state is there', () => {
		const rows = new TokenRows()
		const one = sequence()
		rows.moveTo(one, 1)
		expect(one.awaitsMask).toBe(true)
		rows.add([{ stateId: 1, mask: mask(4), next }])
		rows.lookUp(one)
		expect(one.mask).toEqual(mask(4))
	})

	test('moves on by itself along the rows that it has', () => {
		const rows = new TokenRows()
		const one = sequence()
		rows.add([
			{ stateId: 1, mask: mask(4), next },
			{ stateId: 12, mask: mask(8), next: null },
		])
		rows.moveTo(one, 1)
		one.append(2)
		rows.advance(one, 2)
		expect(one.mask).toEqual(mask(8))
		one.append(3)
		rows.advance(one, 3)
		expect(one.awaitsMask).toBe(true)
		rows.lookUp(one)
		expect(one.awaitsMask).toBe(true)
		rows.moveTo(one, 1)
		expect(one.mask).toEqual(mask(4))
	})

	test('goes on from a row that was forgotten after it was taken', () => {
		const rows = new TokenRows()
		const one = sequence()
		rows.add([{ stateId: 1, mask: mask(4), next }])
		rows.moveTo(one, 1)
		rows.forget()
		one.append(5)
		rows.advance(one, 5)
		expect(one.awaitsMask).toBe(true)
		rows.add([{ stateId: 15, mask: mask(2), next: null }])
		rows.lookUp(one)
		expect(one.mask).toEqual(mask(2))
	})
})

describe('what is sent to the worker', () => {
	const state = (id: number, words = 1) =>
		tokenState(id, { mask: new Uint32Array(words), next: null })

	test('is each row once, with those that may be needed soon', () => {
		const sent = new SentRows()
		const two = state(2)
		expect(sent.missing([state(1), two, state(3)]).map(({ stateId }) => stateId)).toEqual([1, 2, 3])
		expect(sent.missing([two])).toEqual([])
		expect(sent.missing([state(4), two]).map(({ stateId }) => stateId)).toEqual([4])
	})

	test('has a bound, after which all is sent again', () => {
		const sent = new SentRows()
		const large = state(1, 9 * 1024 * 1024)
		sent.missing([large])
		expect(sent.isFull).toBe(true)
		sent.clear()
		expect([sent.isFull, sent.missing([large]).length]).toEqual([false, 1])
	})
})

import { expect, test } from 'bun:test'
import type { ToWorker } from '../../src/engine/messages.ts'
import { RowSender } from '../../src/engine/row-sender.ts'
import type { TokenRow, TokenState } from '../../src/engine/token-state.ts'
import { tokenState } from '../helpers/token-state.ts'
import { turnsDuring } from '../helpers/turns.ts'

const choice = { requestId: 1, modelKey: 1, choice: 0 }
const row: TokenRow = { mask: new Uint32Array(1), next: null }

/** A sender, and the ids of the states whose rows it has sent. */
function sender() {
	const sent: number[] = []
	const { promise: all, resolve } = Promise.withResolvers<void>()
	const rows = new RowSender((message: ToWorker) => {
		if (message.type !== 'rows') return
		sent.push(...message.rows.map(({ stateId }) => stateId))
		if (sent.length === 17) resolve()
	})
	return { rows, sent, all }
}

function states(count: number, makeRow: () => TokenRow): TokenState[] {
	return Array.from({ length: count }, (_, i) => tokenState(i + 2, makeRow))
}

test('the row of a state is sent at once, and those that may come next behind it', async () => {
	const { rows, sent, all } = sender()
	await rows.moveTo(
		choice,
		tokenState(
			1,
			row,
			states(16, () => row),
		),
	)
	expect(sent[0]).toBe(1)
	await all
	expect(sent).toEqual(Array.from({ length: 17 }, (_, i) => i + 1))
})

test('while rows that take long are made ahead others get their turns', async () => {
	const { rows, all } = sender()
	const slow = () => {
		const end = performance.now() + 3
		while (performance.now() < end);
		return row
	}
	rows.moveTo(choice, tokenState(1, row, states(16, slow)))
	expect(await turnsDuring(all)).toBeGreaterThan(4)
})

test('nothing is sent ahead for a model that has gone', async () => {
	const { rows, sent } = sender()
	const near = states(16, () => {
		rows.forgetModel(1)
		return row
	})
	await rows.moveTo(choice, tokenState(1, row, near))
	expect(sent).toEqual([1])
})

test('a row that takes long gives others their turns, and comes before the word where the choice is', async () => {
	const messages: string[] = []
	const rows = new RowSender(({ type }: ToWorker) => messages.push(type))
	const slow: TokenState = {
		...tokenState(1, row),
		*makeRow() {
			for (let piece = 0; piece < 8; piece++) {
				const end = performance.now() + 1
				while (performance.now() < end);
				yield
			}
		},
	}
	expect(await turnsDuring(rows.moveTo(choice, slow))).toBeGreaterThan(2)
	expect(messages).toEqual(['rows', 'move-to'])
})

test('a choice that has gone while its row was made is told nothing', async () => {
	const messages: string[] = []
	const rows = new RowSender(({ type }: ToWorker) => messages.push(type))
	const state: TokenState = {
		...tokenState(1, row),
		*makeRow() {
			rows.forgetRequest(choice.requestId)
			yield
		},
	}
	await rows.moveTo(choice, state)
	expect(messages).toEqual([])
})

test('a row that cannot be made is an error of who asked for it', async () => {
	const rows = new RowSender(() => {})
	const state: TokenState = {
		...tokenState(1, row),
		makeRow() {
			throw new Error('no row')
		},
	}
	expect(rows.moveTo(choice, state)).rejects.toThrow('no row')
})

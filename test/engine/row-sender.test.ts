import { expect, test } from 'bun:test'
import type { ToWorker } from '../../src/engine/messages.ts'
import { RowSender } from '../../src/engine/row-sender.ts'
import type { TokenRow, TokenState } from '../../src/engine/token-state.ts'
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
	return Array.from({ length: count }, (_, i) => ({
		id: i + 2,
		get row() {
			return makeRow()
		},
		near: [],
	}))
}

test('the row of a state is sent at once, and those that may come next behind it', async () => {
	const { rows, sent, all } = sender()
	rows.moveTo(choice, { id: 1, row, near: states(16, () => row) })
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
	rows.moveTo(choice, { id: 1, row, near: states(16, slow) })
	expect(await turnsDuring(all)).toBeGreaterThan(4)
})

test('nothing is sent ahead for a model that has gone', async () => {
	const { rows, sent } = sender()
	const near = states(16, () => {
		rows.forgetModel(1)
		return row
	})
	rows.moveTo(choice, { id: 1, row, near })
	expect(sent).toEqual([1, 2])
})

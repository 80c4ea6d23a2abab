/** Every field of every request with its heaviest values, one after another. */
import { costsOfAll } from '../costs/costs.ts'
import type { Goal } from './goal.ts'

const MIB = 2 ** 20
const EXTRA_BYTES_MAX = 64 * MIB
const HELD_MS_MAX = 20
/** A slice of them. */
const SOME = '/api/ingest '

export const fieldCosts: Goal = {
	id: 'fields',
	goal: 'no field of a request takes more than 64 MB above its body, or 20 ms of the main thread at a time',
	async measure(scale) {
		let count = 0
		let extraBytes = 0
		let heldMs = 0
		let longest = ''
		for await (const cost of costsOfAll(scale < 1 ? SOME : '')) {
			count++
			extraBytes = Math.max(extraBytes, cost.extraBytes)
			if (cost.heldMs > heldMs) longest = cost.name
			heldMs = Math.max(heldMs, cost.heldMs)
		}
		const megabytes = (extraBytes / MIB).toFixed(0)
		return {
			measured: `${count} fields: at most ${megabytes} MB and ${heldMs.toFixed(0)} ms (${longest})`,
			isMet: extraBytes <= EXTRA_BYTES_MAX && heldMs <= HELD_MS_MAX,
		}
	},
}

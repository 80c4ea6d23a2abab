import type { TokenRow, TokenState } from '../../src/engine/token-state.ts'

/** A state whose row is there, or is made when it is asked for. */
export function tokenState(
	id: number,
	row: TokenRow | (() => TokenRow),
	near: readonly TokenState[] = [],
): TokenState {
	let made = typeof row === 'function' ? null : row
	const make = () => {
		made ??= (row as () => TokenRow)()
		return made
	}
	return {
		id,
		near,
		get row() {
			return make()
		},
		*makeRow() {
			make()
			yield
		},
	}
}

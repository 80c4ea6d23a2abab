import { Garbage } from '../../src/server/garbage.ts'

/** Garbage of which so many bytes may wait, and how often it was collected. */
export function countedGarbage(bytesMax: number) {
	let collections = 0
	const recent = () => {
		collections++
		return 0
	}
	const garbage = new Garbage(bytesMax, { recent, all: () => 0 })
	return { garbage, collections: () => collections }
}

import { Garbage } from '../../src/server/garbage.ts'

/** Garbage of which so many bytes may wait, and how often it was collected. */
export function countedGarbage(bytesMax: number) {
	let collections = 0
	const garbage = new Garbage(bytesMax, () => {
		collections++
	})
	return { garbage, collections: () => collections }
}

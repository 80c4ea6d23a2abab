import { fromChunks, toChunks } from '../../src/lib/chunked-lists.ts'
import { finish } from '../../src/lib/steps.ts'

/** A value as it comes out on the other side of a thread. */
export function sent<T extends object>(value: T): T {
	return finish(fromChunks(structuredClone(toChunks(value))))
}

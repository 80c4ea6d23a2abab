/** A limit of memory for processes of a test, as containers have. */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface MemoryGroup extends Disposable {
	/** The command that starts a program within the limit, in the process that is spawned. */
	within(program: string): string[]
	/** Most memory of the group so far in bytes, files that were read included. */
	most(): number
}

/** Names differ within a process. */
let created = 0

/** A control group of version 1 or 2 with a limit in bytes; null where none can be made. Empty before it is disposed of. */
export function createMemoryGroup(bytes: number): MemoryGroup | null {
	const hierarchies = [
		{
			root: '/sys/fs/cgroup/memory',
			limit: 'memory.limit_in_bytes',
			most: 'memory.max_usage_in_bytes',
		},
		{ root: '/sys/fs/cgroup', limit: 'memory.max', most: 'memory.peak' },
	]
	for (const { root, limit, most } of hierarchies) {
		const path = join(root, `alpha-test-${process.pid}-${created++}`)
		try {
			mkdirSync(path)
			writeFileSync(join(path, limit), `${bytes}`)
			const enter = `echo $$ > ${join(path, 'cgroup.procs')} && exec "$0" "$@"`
			return {
				within: (program) => ['sh', '-c', enter, program],
				most: () => Number(readFileSync(join(path, most), 'utf8')),
				[Symbol.dispose]: () => rmdirSync(path),
			}
		} catch {
			// Not this version, or not ours to make.
		}
	}
	return null
}

/** True where this process may limit the memory of others. */
export function canLimitMemory(): boolean {
	using group = createMemoryGroup(2 ** 20)
	return group !== null
}

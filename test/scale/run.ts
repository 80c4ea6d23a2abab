/**
 * `bun test/scale/run.ts [--quick] [hop …]` measures what replicas promise, behind each of the proxies that we
 * give configurations for, and prints a table: goal, measured, verdict. `--quick` measures a slice of everything.
 */
import { printTable } from '../faults/goals/table.ts'
import { hop } from './hop.ts'
import { killedReplica } from './killed-replica.ts'
import { proxyNames } from './proxies.ts'
import { rollingRestarts } from './rolling-restarts.ts'
import { sharedDirectory } from './shared-directory.ts'
import { spread } from './spread.ts'

const goals = [
	...proxyNames.map(rollingRestarts),
	...proxyNames.map(killedReplica),
	...proxyNames.map(spread),
	hop,
	sharedDirectory,
]

await printTable(goals, process.argv.slice(2))
process.exit(0)

/** Other engines beside ours, model by model: who, what and in which formats is said on the command line. */
import type { Bench } from './bench-context.ts'
import { compareLlamaBench, comparePython } from './compare-engines.ts'
import { compareHttp } from './compare-http.ts'
import { writeCompared } from './compared-models.ts'
import { PYTHON_PEERS } from './python-peer.ts'

export async function compare(bench: Bench): Promise<void> {
	const { models, dtypes, peers } = bench.comparison
	for (const name of models) {
		await writeCompared(bench.kernels, name)
		for (const dtype of dtypes) {
			if (peers.includes('llama.cpp')) await compareLlamaBench(bench, name, dtype)
			if (peers.includes('llama-server')) await compareHttp(bench, name, dtype)
			for (const peer of PYTHON_PEERS) {
				if (peers.includes(peer)) await comparePython(bench, name, dtype, peer)
			}
			// What this model took is not needed for the next one.
			Bun.gc(true)
		}
	}
}

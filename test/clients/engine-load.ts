import type { AlphaServer } from '../helpers/alpha-server.ts'
import { eventually } from '../helpers/eventually.ts'

/** Sequences that the server's engine generates or has waiting. */
export async function sequencesUnderWay({ url }: AlphaServer): Promise<number> {
	const { running, waiting } = await (await fetch(`${url}/health`)).json()
	return running + waiting
}

/** Waits until nothing is generated any more; a generation that goes on would take much longer. */
export function engineStops(server: AlphaServer): Promise<void> {
	return eventually(async () => (await sequencesUnderWay(server)) === 0, 2000)
}

/** Tokens that the server has generated since its start. */
export async function generatedTokens({ url }: AlphaServer): Promise<number> {
	const metrics = await (await fetch(`${url}/metrics`)).text()
	const count = /^alpha_generated_tokens_total (\d+)$/m.exec(metrics)?.[1]
	if (count === undefined) throw new Error('/metrics has no alpha_generated_tokens_total')
	return Number(count)
}

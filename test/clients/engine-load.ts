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

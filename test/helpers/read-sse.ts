/** The events of a finished event stream: `data` of each, parsed where it is JSON. */
export interface SseEvent {
	readonly event: string | null
	readonly data: string
}

export function parseSse(text: string): SseEvent[] {
	return text
		.split('\n\n')
		.map((block) => block.split('\n').filter((line) => !line.startsWith(':')))
		.filter((lines) => lines.some((line) => line !== ''))
		.map((lines) => ({
			event: lines.find((line) => line.startsWith('event: '))?.slice(7) ?? null,
			data: lines
				.filter((line) => line.startsWith('data: '))
				.map((line) => line.slice(6))
				.join('\n'),
		}))
}

/** Data of all events but the final `[DONE]`, as JSON. Throws when that is missing. */
export async function readChunks<T = Record<string, unknown>>(response: Response): Promise<T[]> {
	const events = parseSse(await response.text())
	const last = events.pop()
	if (last?.data !== '[DONE]') throw new Error(`stream ends with ${JSON.stringify(last)}`)
	return events.map(({ data }) => JSON.parse(data) as T)
}

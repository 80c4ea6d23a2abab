/** An engine worker that starts and then never comes back from its first request. */
declare const self: {
	onmessage: ((event: MessageEvent<{ type: string }>) => void) | null
	postMessage(message: object): void
}

self.onmessage = ({ data }) => {
	if (data.type === 'start') self.postMessage({ type: 'ready' })
	if (data.type === 'load') self.postMessage({ type: 'loaded', modelKey: 1 })
	if (data.type === 'submit') for (;;);
}

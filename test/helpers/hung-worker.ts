/**
 * An engine worker that starts and then never comes back from its first request, or with the argument `load` from
 * its first model: it computes.
 */
import { type Kernels, openKernels } from '../../src/kernels/binding.ts'

interface Message {
	readonly type: string
	readonly libraryPath: string
}

declare const self: {
	onmessage: ((event: MessageEvent<Message>) => void) | null
	postMessage(message: object): void
}

let kernels: Kernels | null = null

self.onmessage = ({ data }) => {
	if (data.type === 'start') {
		kernels = openKernels(data.libraryPath)
		self.postMessage({ type: 'ready', thread: kernels.watchThread() })
	}
	const isLoadHung = process.argv.includes('load')
	if (data.type === 'load' && !isLoadHung) self.postMessage({ type: 'loaded', modelKey: 1 })
	// Some seconds each: only between two of them can the thread be ended.
	if (data.type === (isLoadHung ? 'load' : 'submit')) for (;;) kernels?.measureFma(1e9)
}

/** A model of this machine, for commands that compute without a server. */
import type { ModelLease } from '../../models/catalog.ts'
import { TextGeneration } from '../../text/text-generation.ts'
import type { TextRequest } from '../../text/text-request.ts'
import type { CommandContext } from '../command.ts'
import { readMachine } from '../machine.ts'
import { startLocalRuntime } from '../object-store.ts'
import { terminalText } from '../output.ts'
import { type Runtime, withServeDefaults } from '../runtime.ts'
import { type Config, serveOptions } from '../settings/config.ts'

/** The settings of the server that decide what is computed. */
export function modelOptions() {
	const { config, checkpoints, checkpointCache, threads, isa, dtype, embeddedModel } = serveOptions(
		readMachine(),
	)
	return { config, checkpoints, checkpointCache, threads, isa, dtype, embeddedModel }
}

export interface LocalModel extends AsyncDisposable {
	readonly runtime: Runtime
	readonly lease: ModelLease
}

/** Loads a model, by the settings of `modelOptions`. Throws Fault. */
export async function openLocalModel(
	name: string,
	values: Partial<Config>,
	{ context, isaOrigin }: { readonly context: CommandContext; readonly isaOrigin: string },
): Promise<LocalModel> {
	const config = { ...withServeDefaults(values, context), isaOrigin }
	await using stack = new AsyncDisposableStack()
	const runtime = stack.use(
		await startLocalRuntime(name, config, context, (level, message) => {
			if (level === 'error') context.warn(`alpha: ${message}\n`)
		}),
	)
	const lease = stack.use(await runtime.catalog.acquire(name))
	const held = stack.move()
	return { runtime, lease, [Symbol.asyncDispose]: () => held.disposeAsync() }
}

/** A signal that aborts when the command shall end, and the exit status that it then has; 0 until then. */
export function stopSignal({ stopRequested }: Pick<CommandContext, 'stopRequested'>) {
	const controller = new AbortController()
	let stopStatus = 0
	void stopRequested.then((status) => {
		stopStatus = status
		controller.abort()
	})
	return { signal: controller.signal, status: () => stopStatus }
}

/** Prints what a model writes as it comes, up to its end or a request to stop; the exit status. */
export async function printAnswer(
	lease: ModelLease,
	request: TextRequest,
	context: CommandContext,
): Promise<number> {
	const stop = stopSignal(context)
	for await (const text of textPieces(lease, request, stop.signal)) {
		context.print(context.screen.isTTY ? terminalText(text) : text)
	}
	context.print('\n')
	return stop.status()
}

/** What a model writes, as it comes. */
export async function* textPieces(
	lease: ModelLease,
	request: TextRequest,
	signal: AbortSignal,
): AsyncGenerator<string, void> {
	const generation = new TextGeneration(lease.generate(request.generation, signal), {
		request,
		tokenizer: lease.tokenizer,
	})
	for await (const events of generation.batches()) {
		for (const event of events) if (event.type === 'text') yield event.text
	}
}

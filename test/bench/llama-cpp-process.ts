/*
 * llama.cpp through its Node binding, in a process of its own; the binding is not a dependency of
 * ours but installed on demand.
 */
import { serveTasks } from './task-process.ts'

export type LlamaCppTask =
	| {
			readonly type: 'start'
			/** Where the binding's entry point was installed. */
			readonly modulePath: string
			readonly modelPath: string
			readonly contextSize: number
			readonly threads: number
	  }
	| { readonly type: 'decode'; readonly prompt: readonly number[]; readonly tokens: number }
	| { readonly type: 'prefill'; readonly prompt: readonly number[] }
	| { readonly type: 'score'; readonly prompt: readonly number[] }

export interface LlamaCppResult {
	/** Of decoding the tokens after the first; of reading the whole prompt. */
	readonly seconds: number
	/** Log-probability of every token to be the next after a prompt that was scored. */
	readonly logprobs: readonly (readonly [tokenId: number, logprob: number])[]
}

/** What we use of the binding; ids are numbers with a brand there. */
interface Binding {
	getLlama(options: {
		gpu: false
		build: 'never'
		skipDownload: true
		logLevel: string
		maxThreads: number
	}): Promise<{
		loadModel(options: { modelPath: string }): Promise<{
			createContext(options: {
				contextSize: number
				batchSize: number
				threads: number
			}): Promise<{ getSequence(): BindingSequence }>
		}>
	}>
}

interface BindingSequence {
	clearHistory(): Promise<void>
	evaluate(
		tokenIds: readonly number[],
		options: { temperature: 0; yieldEogToken: true },
	): AsyncIterable<number>
	evaluateWithMetadata(
		tokenIds: readonly number[],
		metadata: { probabilities: true },
		options: { temperature: 1; topK: 0; topP: 1; minP: 0; yieldEogToken: true },
	): AsyncIterable<{ probabilities: ReadonlyMap<number, number> }>
	evaluateWithoutGeneratingNewTokens(tokenIds: readonly number[]): Promise<void>
}

let sequence: BindingSequence | null = null

async function perform(task: LlamaCppTask): Promise<LlamaCppResult> {
	if (task.type === 'start') {
		const { modulePath, modelPath, contextSize, threads } = task
		const binding: Binding = await import(modulePath)
		const llama = await binding.getLlama({
			gpu: false,
			build: 'never',
			skipDownload: true,
			logLevel: 'error',
			maxThreads: threads,
		})
		const model = await llama.loadModel({ modelPath })
		const context = await model.createContext({ contextSize, batchSize: contextSize, threads })
		sequence = context.getSequence()
		return { seconds: 0, logprobs: [] }
	}
	if (sequence === null) throw new Error('expected a model first, got a task')
	await sequence.clearHistory()
	switch (task.type) {
		case 'decode':
			return { seconds: await decode(sequence, task.prompt, task.tokens), logprobs: [] }
		case 'prefill':
			return { seconds: await prefill(sequence, task.prompt), logprobs: [] }
		case 'score':
			return { seconds: 0, logprobs: await score(sequence, task.prompt) }
	}
}

async function decode(
	from: BindingSequence,
	prompt: readonly number[],
	tokens: number,
): Promise<number> {
	let start = 0
	let count = 0
	for await (const _ of from.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
		if (count === 0) start = performance.now()
		if (count++ === tokens) break
	}
	return (performance.now() - start) / 1000
}

async function prefill(from: BindingSequence, prompt: readonly number[]): Promise<number> {
	const start = performance.now()
	await from.evaluateWithoutGeneratingNewTokens(prompt)
	return (performance.now() - start) / 1000
}

async function score(
	from: BindingSequence,
	prompt: readonly number[],
): Promise<LlamaCppResult['logprobs']> {
	const raw = { temperature: 1, topK: 0, topP: 1, minP: 0, yieldEogToken: true } as const
	for await (const { probabilities } of from.evaluateWithMetadata(
		prompt,
		{ probabilities: true },
		raw,
	)) {
		return [...probabilities].map(([tokenId, p]) => [tokenId, Math.log(p)] as const)
	}
	throw new Error('llama.cpp drew no token')
}

serveTasks(perform)

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

export interface LlamaCppResult {
	/** Of the tokens after the first; of the whole prompt. */
	readonly seconds: number
	/** Greedy continuation. */
	readonly tokenIds: readonly number[]
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
		return { seconds: 0, tokenIds: [] }
	}
	if (sequence === null) throw new Error('expected a model, got a task')
	await sequence.clearHistory()
	return task.type === 'decode'
		? await decode(sequence, task.prompt, task.tokens)
		: await prefill(sequence, task.prompt)
}

async function decode(
	from: BindingSequence,
	prompt: readonly number[],
	tokens: number,
): Promise<LlamaCppResult> {
	const tokenIds: number[] = []
	let start = 0
	for await (const tokenId of from.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
		if (tokenIds.length === 0) start = performance.now()
		tokenIds.push(tokenId)
		if (tokenIds.length > tokens) break
	}
	return { seconds: (performance.now() - start) / 1000, tokenIds }
}

async function prefill(from: BindingSequence, prompt: readonly number[]): Promise<LlamaCppResult> {
	const start = performance.now()
	await from.evaluateWithoutGeneratingNewTokens(prompt)
	return { seconds: (performance.now() - start) / 1000, tokenIds: [] }
}

serveTasks(perform)

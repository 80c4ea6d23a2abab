import { resolve } from 'node:path'
import type { ExportReport } from '../checkpoint/exports/export-report.ts'
import { ggufApproximation, ggufObstacle } from '../checkpoint/exports/gguf-model.ts'
import type { HuggingFaceLayout } from '../checkpoint/exports/hugging-face.ts'
import { gpt2Obstacle } from '../checkpoint/exports/hugging-face.ts'
import type { CheckpointLocation } from '../checkpoint/load/messages.ts'
import type { ModelConfig } from '../model/model-config.ts'
import type { ModelCard } from '../models/catalog.ts'
import { type ConfigDifference, measureDifference } from '../models/config-difference.ts'
import { exportCard } from '../models/export-card.ts'
import { createTokenizer } from '../tokenizer/create-tokenizer.ts'
import type { Command, CommandContext } from './command.ts'
import { readMachine } from './machine.ts'
import { startLocalRuntime } from './object-store.ts'
import { type Runtime, withServeDefaults } from './runtime.ts'
import { serveOptions } from './settings/config.ts'
import { UsageError } from './settings/option.ts'
import { choiceOption, switchOption, textOption } from './settings/option-kinds.ts'
import { parseOptions, type Values } from './settings/options.ts'

/** Above this difference of a log-probability an export is not what was trained. */
const LOGPROB_DIFFERENCE_MAX = 1e-3

const exportOptions = {
	out: textOption({
		flag: '--out',
		placeholder: 'DIR',
		defaultValue: null,
		defaultText: '',
		help: 'directory to make',
	}),
	format: choiceOption({
		flag: '--format',
		choices: ['hf', 'gguf'],
		defaultValue: 'hf',
		help: 'a Hugging Face directory, or a GGUF file for llama.cpp and Ollama',
	}),
	dtype: choiceOption({
		flag: '--dtype',
		choices: ['f32', 'bf16', 'int8'],
		defaultValue: 'f32',
		help: 'number format of the weights; int8 (Q8_0) for gguf only',
	}),
	layout: choiceOption({
		flag: '--layout',
		choices: ['auto', 'gpt2', 'own'],
		defaultValue: 'auto',
		help: "of hf: as GPT-2, which every engine knows, or with a modelling file of its own; auto: GPT-2's where it is the same",
	}),
	isApproximate: switchOption({
		flag: '--approximate',
		help: 'accept what does not compute quite the same',
	}),
	text: textOption({
		flag: '--text',
		placeholder: 'FILE',
		defaultValue: null,
		defaultText: 'texts of the model',
		help: 'text on which the difference is measured',
	}),
}

function allOptions() {
	const { config, checkpoints, checkpointCache, threads, embeddedModel } = serveOptions(
		readMachine(),
	)
	return { ...exportOptions, config, checkpoints, checkpointCache, threads, embeddedModel }
}

export const exportCommand: Command = {
	name: 'export',
	usage: 'MODEL --out DIR',
	summary: 'write a model for other tools: Hugging Face, llama.cpp, Ollama',
	options: allOptions,
	async run(context) {
		const { values, positionals } = parseOptions(allOptions(), context)
		const [name, ...rest] = positionals
		if (name === undefined || rest.length > 0 || values.out === null) {
			throw new UsageError('expected MODEL and --out DIR: alpha export MODEL --out DIR')
		}
		const { checkpoints, checkpointCache, threads, embeddedModel } = values
		const served = { checkpoints, checkpointCache, threads, embeddedModel }
		const config = withServeDefaults(served, context)
		await using runtime = await startLocalRuntime(name, config, context, (level, message) => {
			if (level === 'error') context.warn(`${message}\n`)
		})
		const { card, location } = await runtime.catalog.locate(name)
		const model = { runtime, location, card }
		const directory = resolve(values.out)
		const { report, remark } =
			values.format === 'gguf'
				? await exportGguf(model, directory, values, context)
				: await exportHuggingFace(model, directory, values, context)
		const { files, differences } = report
		context.print(formatReport(card, values.out, files, [remark, ...differences]))
		if (values.format === 'gguf') context.print(modelfile(files[0] ?? ''))
		return 0
	},
}

interface ExportedModel {
	readonly runtime: Runtime
	readonly location: CheckpointLocation
	readonly card: ModelCard
}

interface Exported {
	readonly report: ExportReport
	/** How it computes compared with us, in words. */
	readonly remark: string
}

async function exportHuggingFace(
	{ runtime, location, card }: ExportedModel,
	directory: string,
	values: Values<typeof exportOptions>,
	context: CommandContext,
): Promise<Exported> {
	const { dtype } = values
	if (dtype === 'int8') throw new UsageError('--dtype int8: expected --format gguf with it')
	const { config, parameterCount } = await runtime.loader.inspect({ location, dtype: 'f32' })
	const { layout, remark } = await chooseLayout(runtime, location, config, values, context)
	const report = await runtime.loader.export(location, {
		format: 'hf',
		directory,
		layout,
		dtype,
		card: exportCard(card, layout, remark, parameterCount),
	})
	return { report, remark }
}

/** Throws UsageError for a model that llama.cpp does not compute. */
async function exportGguf(
	{ runtime, location, card }: ExportedModel,
	directory: string,
	{ layout, dtype, isApproximate, text }: Values<typeof exportOptions>,
	{ readFile }: CommandContext,
): Promise<Exported> {
	if (layout !== 'auto') throw new UsageError('--layout: expected --format hf with it')
	const { config } = await runtime.loader.inspect({ location, dtype: 'f32' })
	const obstacle = ggufObstacle(config)
	if (obstacle !== null) throw new UsageError(`--format gguf: ${obstacle}`)
	const approximation = ggufApproximation(config)
	let remark = 'the same network in llama.cpp'
	if (approximation !== null) {
		const given = text === null ? null : readFile(text)
		const difference = await differenceOf(runtime, location, approximation.config, given)
		remark = `llama.cpp ${approximation.loss}: ${describe(difference)}`
		if (difference.logprobMax > LOGPROB_DIFFERENCE_MAX && !isApproximate) {
			throw new UsageError(`--format gguf: ${remark}: add --approximate to accept that`)
		}
	}
	const name = card.id.replace(/\.gguf$/, '')
	const request = { format: 'gguf', directory, name, dtype, isApproximate } as const
	return { report: await runtime.loader.export(location, request), remark }
}

/** How Ollama is told of the file. */
function modelfile(file: string): string {
	return `A Modelfile for Ollama, beside the file:\n\nFROM ./${file}\n`
}

interface Choice {
	readonly layout: HuggingFaceLayout
	/** How it computes compared with us, in words. */
	readonly remark: string
}

/** Throws UsageError for a layout that was asked for and does not compute the same. */
async function chooseLayout(
	runtime: Runtime,
	location: CheckpointLocation,
	config: ModelConfig,
	{ layout, isApproximate, text }: Values<typeof exportOptions>,
	{ readFile }: CommandContext,
): Promise<Choice> {
	if (config.family !== 'alpha') {
		throw new UsageError(
			`expected a model of the trainer's own, got one of the family ${config.family}: its files are what other tools read`,
		)
	}
	const own: Choice = { layout: 'own', remark: 'exact, by a modelling file (trust_remote_code)' }
	const obstacle = gpt2Obstacle(config)
	if (layout === 'own') return own
	if (obstacle !== null) {
		if (layout === 'gpt2') throw new UsageError(`--layout gpt2: ${obstacle}`)
		return { ...own, remark: `${own.remark}: ${obstacle}` }
	}
	if (config.softCap === null) return { layout: 'gpt2', remark: "exact, in GPT-2's layout" }
	const difference = await differenceOf(
		runtime,
		location,
		{ ...config, softCap: null },
		text === null ? null : readFile(text),
	)
	const loss = `which has no cap of attention scores (${config.softCap} here)`
	const found = `${loss}: ${describe(difference)}`
	if (difference.logprobMax <= LOGPROB_DIFFERENCE_MAX || (isApproximate && layout === 'gpt2')) {
		return { layout: 'gpt2', remark: `in GPT-2's layout, ${found}` }
	}
	if (layout === 'auto') return { ...own, remark: `${own.remark}: ${found}` }
	throw new UsageError(`--layout gpt2: ${found}: add --approximate to accept that`)
}

async function differenceOf(
	{ loader, engine }: Runtime,
	location: CheckpointLocation,
	config: ModelConfig,
	text: string | null,
): Promise<ConfigDifference> {
	const loaded = await loader.load({ location, dtype: 'f32' })
	const ids = text === null ? null : createTokenizer(loaded.tokenizerSpec).encode(text)
	return measureDifference(engine, loaded, config, ids)
}

function describe({ tokens, logprobMax, changedShare }: ConfigDifference): string {
	const changed = (100 * changedShare).toFixed(changedShare === 0 ? 0 : 2)
	return (
		`on ${tokens} tokens log-probabilities differ by up to ${logprobMax.toExponential(1)}, ` +
		`and ${changed} % have another likeliest token`
	)
}

function formatReport(
	card: ModelCard,
	directory: string,
	files: readonly string[],
	findings: readonly string[],
): string {
	return [
		`${card.id} (step ${card.trainingStep}) is in ${directory}: ${files.join(', ')}`,
		...findings.map((finding) => `- ${finding}`),
		'',
	].join('\n')
}

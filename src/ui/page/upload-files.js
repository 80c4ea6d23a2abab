/** What can be sent to the server, among files that are dropped or chosen. */

/**
 * @typedef {{ path: string, file: File }} GivenFile with the path from what was given
 *
 * @typedef {{ name: string, step: number, checkpoint: File, config: File, metrics: File | undefined }} GivenCheckpoint
 *   of our own trainer
 *
 * @typedef {{ name: string, files: File[], metrics: File | undefined }} GivenModel of another tool
 */

const CHECKPOINT = /^checkpoint-(\d{1,15})\.json$/

/**
 * Checkpoints and models among files: one directory is one run; a GGUF file by itself is a model.
 * @param {GivenFile[]} files
 * @returns {{ checkpoints: GivenCheckpoint[], models: GivenModel[] }}
 */
export function uploadsAmong(files) {
	const directories = Map.groupBy(files, ({ path }) => path.split('/').slice(0, -1).join('/'))
	/** @type {GivenCheckpoint[]} */
	const checkpoints = []
	/** @type {GivenModel[]} */
	const models = []
	for (const [directory, inside] of directories) {
		const byName = new Map(inside.map(({ path, file }) => [path.split('/').at(-1) ?? '', file]))
		const metrics = byName.get('metrics.jsonl')
		const name = directory.split('/').at(-1) ?? ''
		const found = checkpointsOf(byName)
		const config = byName.get('config.json')
		if (found.length > 0 && config !== undefined) {
			for (const each of found) checkpoints.push({ name: name || 'run', ...each, config, metrics })
			continue
		}
		const names = modelFilesOf([...byName.keys()])
		const [weights] = names ?? []
		if (names === null || weights === undefined) continue
		const parts = names.flatMap((each) => byName.get(each) ?? [])
		models.push({ name: runName(name || weights.replace(/\.\w+$/, '')), files: parts, metrics })
	}
	return { checkpoints, models }
}

/** @param {ReadonlyMap<string, File>} byName */
function checkpointsOf(byName) {
	const found = [...byName].flatMap(([name, checkpoint]) => {
		const step = CHECKPOINT.exec(name)?.[1]
		return step === undefined ? [] : [{ step: Number(step), checkpoint }]
	})
	return found.sort((a, b) => a.step - b.step)
}

/** Weights of Hugging Face's libraries, best first. */
const WEIGHTS = ['model.safetensors', 'model.safetensors.index.json']
const SHARD = /^model-[\w.-]+\.safetensors$/
const BESIDE_WEIGHTS = [
	'config.json',
	'generation_config.json',
	'tokenizer.json',
	'chat_template.jinja',
	'special_tokens_map.json',
	'tokenizer.model',
	'tokenizer_config.json',
	'vocab.json',
	'merges.txt',
	'trainer_state.json',
]

/** What llama2.c reads, and files of other tools that end alike. */
const LLAMA2C_TOKENIZERS = ['tokenizer.bin', 'tokenizer.model']
const OTHER_BIN =
	/^(?:tokenizer|optimizer|scheduler|training_args|scaler|pytorch_model.*|adapter_.*)\.bin$/

/**
 * The files of the one model among those of a directory, its weights first: safetensors with what stands
 * beside them, GGUF, llama2.c. Null for none; pickles, which could run anything, go by the command line.
 * @param {readonly string[]} names
 * @returns {string[] | null}
 */
export function modelFilesOf(names) {
	const present = new Set(names)
	const weights = WEIGHTS.find((name) => present.has(name))
	if (weights !== undefined) {
		const shards = weights.endsWith('.index.json') ? names.filter((it) => SHARD.test(it)) : []
		return [weights, ...shards.sort(), ...BESIDE_WEIGHTS.filter((name) => present.has(name))]
	}
	const gguf = names.filter((name) => name.endsWith('.gguf')).sort()[0]
	if (gguf !== undefined) return [gguf]
	const bin = names.filter((name) => name.endsWith('.bin') && !OTHER_BIN.test(name)).sort()[0]
	if (bin === undefined || present.has('config.json')) return null
	return [bin, ...LLAMA2C_TOKENIZERS.filter((name) => present.has(name))]
}

/** Names of runs have no other characters. @param {string} name */
function runName(name) {
	return name.replaceAll(/[^\w.-]+/g, '-').replace(/^[.-]+/, '') || 'model'
}

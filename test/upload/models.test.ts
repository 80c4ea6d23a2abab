/** Uploads of other trainers' models, file by file. */
import { describe, expect, test } from 'bun:test'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { families, familyDirectories } from '../helpers/families.ts'
import { UploadDoor } from './upload-fixture.ts'

const { signal } = new AbortController()

function fixture(model: string, file: string): Buffer {
	return readFileSync(join(families, model, file))
}

/** Sends files of a fixture under an upload id; answers in order. */
async function sendFiles(
	door: UploadDoor,
	model: string,
	files: readonly string[],
	id: string = model,
) {
	const answers = []
	for (const file of files) {
		answers.push(await door.send(fixture(model, file), { 'x-model-file': file, 'x-upload-id': id }))
	}
	return answers
}

/** Has a model made of the files that were sent. */
function assemble(door: UploadDoor, fields: Readonly<Record<string, unknown>>) {
	const raw = Object.entries(fields).map(([key, value]) => [key, JSON.stringify(value)])
	return door.assemble({ totalChunks: '', config: '', step: '', ...Object.fromEntries(raw) })
}

const files = ['config.json', 'tokenizer.json', 'model.safetensors']
const sharded = readdirSync(join(families, 'gpt2-sharded')).filter(
	(name) => name !== 'expected.json',
)

describe('the files of a model', () => {
	test('are a step of their run when they are put together', async () => {
		using door = await UploadDoor.open()
		expect(await sendFiles(door, 'gpt2', files)).toEqual(files.map((file) => ({ file })))
		expect(door.store.find('run')).toBeUndefined()
		const answer = await assemble(door, { uploadId: 'gpt2', name: 'run', step: 300, files })
		expect(answer).toMatchObject({ name: 'run', step: 300, isNew: true })
		expect(door.store.find('run')).toMatchObject({ step: 300, steps: [300] })
		for (const file of files) {
			const stored = readFileSync(join(door.path, 'run/checkpoint-300', file))
			expect(stored.equals(fixture('gpt2', file))).toBeTrue()
		}
	})

	test('may be shards with an index', async () => {
		using door = await UploadDoor.open()
		await sendFiles(door, 'gpt2-sharded', sharded)
		const made = await assemble(door, { uploadId: 'gpt2-sharded', name: 'run', files: sharded })
		expect(made).toMatchObject({ step: 0, isNew: true })
		expect(door.store.find('run')?.served.files).toContain('model.safetensors.index.json')
	})

	test('survive a restart of the server between them', async () => {
		using door = await UploadDoor.open()
		for (const file of files) {
			await sendFiles(door, 'gpt2', [file])
			await door.restart()
		}
		const made = await assemble(door, { uploadId: 'gpt2', name: 'run', files })
		expect(made).toMatchObject({ step: 0, isNew: true })
	})

	test('take the place of the same step, and leave the others', async () => {
		using door = await UploadDoor.open()
		for (const [step, model] of [
			[1, 'gpt2'],
			[2, 'gpt2'],
			[2, 'gpt2-fp16'],
		] as const) {
			await sendFiles(door, model, files, `${model} ${step}`)
			const fields = { uploadId: `${model} ${step}`, name: 'run', step, files }
			expect(await assemble(door, fields)).toMatchObject({ step, isNew: true })
		}
		expect(door.store.find('run')).toMatchObject({ step: 2, steps: [1, 2] })
		const stored = readFileSync(join(door.path, 'run/checkpoint-2/model.safetensors'))
		expect(stored.equals(fixture('gpt2-fp16', 'model.safetensors'))).toBeTrue()
		expect(door.files().filter((name) => name.includes('replaced'))).toEqual([])
	})

	test('that are there already are served as they are', async () => {
		using door = await UploadDoor.open()
		for (const id of ['first', 'second']) {
			await sendFiles(door, 'gpt2', files, id)
			const made = await assemble(door, { uploadId: id, name: 'run', files })
			expect(made).toMatchObject({ isNew: id === 'first' })
		}
	})

	test('tell their step, where Trainer wrote it beside them, and what was logged', async () => {
		using door = await UploadDoor.open()
		await sendFiles(door, 'gpt2', files)
		const state = readFileSync(join(families, '../trainer-state/step-8.json'))
		await door.send(state, { 'x-model-file': 'trainer_state.json', 'x-upload-id': 'gpt2' })
		const made = await assemble(door, {
			uploadId: 'gpt2',
			name: 'run',
			files: [...files, 'trainer_state.json'],
		})
		expect(made).toMatchObject({ step: 8 })
		expect(door.store.find('run')?.lastLoss).toBe(3.35577392578125)
	})

	test('can be put together again when the answer was lost', async () => {
		using door = await UploadDoor.open()
		await sendFiles(door, 'gpt2', files)
		const fields = { uploadId: 'gpt2', name: 'run', step: 3, files }
		const first = await assemble(door, fields)
		expect(await assemble(door, fields)).toEqual({ ...first, isNew: false } as typeof first)
	})
})

/** What `alpha upload` sends of a fixture: its files beside each other, but for its answers. */
function sentFiles(model: string): ReadonlyMap<string, Buffer> {
	const path = join(families, model)
	const found = readdirSync(path, { recursive: true, withFileTypes: true }).filter(
		(entry) => entry.isFile() && entry.name !== 'expected.json',
	)
	const unread = /^(?:token_bytes\.pt|optim_.*\.pt|added_tokens\.json)$/
	const sent = found.filter(({ name }) => !unread.test(name))
	return new Map(sent.map(({ parentPath, name }) => [name, readFileSync(join(parentPath, name))]))
}

describe('every format and family', () => {
	const nameless = 'nanogpt-nometa-char'
	test.each(familyDirectories().filter((name) => name !== nameless))(
		'%s comes file by file under one upload id',
		async (model) => {
			using door = await UploadDoor.open({ allowsPickles: true })
			const sent = sentFiles(model)
			for (const [file, bytes] of sent) {
				const headers = { 'x-model-file': file, 'x-upload-id': model }
				expect(await door.send(bytes, headers)).toEqual({ file })
			}
			const made = await assemble(door, { uploadId: model, name: 'run', files: [...sent.keys()] })
			expect(made).toMatchObject({ name: 'run', isNew: true })
			expect(door.store.find('run')?.served.fault).toBeNull()
		},
	)

	test('a checkpoint of nanochat is of the step in its name', async () => {
		using door = await UploadDoor.open({ allowsPickles: true })
		const sent = sentFiles('nanochat-flat')
		for (const [file, bytes] of sent) {
			await door.send(bytes, { 'x-model-file': file, 'x-upload-id': 'one' })
		}
		await assemble(door, { uploadId: 'one', name: 'run', files: [...sent.keys()] })
		const [weights] = [...sent.keys()].filter((name) => name.startsWith('model_'))
		expect(door.store.find('run')?.step).toBe(Number(/\d+/.exec(weights!)?.[0]))
	})
})

describe('a model that is one file', () => {
	const headers = { 'x-model-file': 'ckpt.pt', 'x-checkpoint-name': 'nano' }

	test('needs no upload id, and its own step counts', async () => {
		using door = await UploadDoor.open({ allowsPickles: true })
		const made = await door.send(fixture('nanogpt-gpt2bpe', 'ckpt.pt'), headers)
		expect(made).toMatchObject({ name: 'nano', isNew: true })
		expect(door.store.find('nano')?.step).toBeGreaterThan(0)
		expect(door.files().filter((name) => name.startsWith('.'))).toEqual([])
	})

	test.each([
		['gguf-qwen2-f16', 'gguf-qwen2-f16.gguf'],
		['hostile/gguf-v2', 'gguf-v2.gguf'],
	])('may be a GGUF file, which is no pickle: %s', async (model, file) => {
		using door = await UploadDoor.open()
		const made = await door.send(fixture(model, file), {
			'x-model-file': file,
			'x-checkpoint-name': 'one',
		})
		expect(made).toMatchObject({ name: 'one', step: 0, isNew: true })
		expect(door.store.find('one')?.served.files).toEqual([file])
	})

	test('is refused as a pickle where these are not allowed', async () => {
		using door = await UploadDoor.open()
		const refused = await door.send(fixture('nanogpt-gpt2bpe', 'ckpt.pt'), headers)
		expect(refused).toMatchObject({ status: 403, code: 'pickle_uploads_disabled' })
		expect(door.files()).toEqual([])
	})
})

describe('what is refused', () => {
	test.each([
		['a path', '../config.json', 400],
		['a hidden file', '.config.json', 400],
		['a pickle', 'pytorch_model.bin', 403],
	])('%s, before it is read', async (_what, file, status) => {
		using door = await UploadDoor.open()
		const answer = await door.send(new Uint8Array(9), { 'x-model-file': file, 'x-upload-id': 'a' })
		expect(answer).toMatchObject({ status })
		expect(door.files()).toEqual([])
	})

	test('files of which one is missing, and their others stay', async () => {
		using door = await UploadDoor.open()
		await sendFiles(door, 'gpt2', files.slice(0, 2))
		const fields = { uploadId: 'gpt2', name: 'run', files }
		expect(await assemble(door, fields)).toMatchObject({
			status: 400,
			message: expect.stringContaining('no model.safetensors'),
		})
		await sendFiles(door, 'gpt2', files.slice(2))
		expect(await assemble(door, fields)).toMatchObject({ isNew: true })
	})

	test.each([
		[['config.json', 'tokenizer.json'], 'weights'],
		[['config.json', 'model.safetensors', 'README.md'], 'README.md'],
		[[], '1 to 1100'],
		[['a/b'], 'without a path'],
		['model.safetensors', 'array'],
	])('a list of files that make no model: %j', async (list, words) => {
		using door = await UploadDoor.open()
		const answer = await assemble(door, { uploadId: 'a', name: 'run', files: list })
		expect(answer).toMatchObject({ status: 400, message: expect.stringContaining(words) })
	})

	test('a model that the loader refuses, with its reason, and nothing is left but the files', async () => {
		using door = await UploadDoor.open()
		await sendFiles(door, 'hostile/st-missing-tensor', files, 'bad')
		const answer = await assemble(door, { uploadId: 'bad', name: 'run', files })
		expect(answer).toMatchObject({
			status: 400,
			message: expect.stringContaining('got no such tensor'),
		})
		expect(existsSync(join(door.path, 'run'))).toBeFalse()
		expect(existsSync(join(door.path, '.incoming'))).toBeFalse()
	})

	test('more bytes than an upload may have', async () => {
		using door = await UploadDoor.open({ bytesMax: 200_000 })
		const answers = await sendFiles(door, 'gpt2', files)
		expect(answers.at(-1)).toMatchObject({ status: 413 })
	})

	test('a run that holds checkpoints of another form, in either direction', async () => {
		using door = await UploadDoor.open()
		cpSync(join(families, '../v1-char'), join(door.path, 'ours'), { recursive: true })
		cpSync(join(families, 'gpt2'), join(door.path, 'copied'), { recursive: true })
		mkdirSync(join(door.path, 'steps'))
		cpSync(join(families, 'gpt2'), join(door.path, 'steps/checkpoint-5'), { recursive: true })
		await sendFiles(door, 'gpt2', files)
		for (const [name, words] of [
			['ours', 'checkpoints of another form'],
			['copied', 'copied into the directory itself'],
		]) {
			const answer = await assemble(door, { uploadId: 'gpt2', name, files })
			expect(answer).toMatchObject({ status: 409, message: expect.stringContaining(words!) })
		}
		for (const name of ['copied', 'steps']) {
			await door.sendPiece(fixture('../v1-char', 'checkpoint-300.json'), { id: name })
			const answer = await door.assemble({ uploadId: `"${name}"`, name: `"${name}"` })
			expect(answer).toMatchObject({
				status: 409,
				message: expect.stringContaining('models of another trainer'),
			})
		}
		const made = await assemble(door, { uploadId: 'gpt2', name: 'steps', step: 6, files })
		expect(made).toMatchObject({ step: 6 })
	})
})

test('a sender who goes away leaves no file', async () => {
	using door = await UploadDoor.open()
	const body = async function* () {
		yield new Uint8Array(10)
		throw new Error('gone')
	}
	const headers = new Headers({ 'x-model-file': 'config.json', 'x-upload-id': 'a' })
	await expect(door.receiver.receive({ headers, body: body(), signal })).rejects.toThrow()
	expect(door.files().filter((name) => name.includes('config.json'))).toEqual([])
})

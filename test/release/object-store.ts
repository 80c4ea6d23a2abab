/**
 * Two servers that share a real object store (versitygw, from the Go proxy): what is pushed or uploaded is
 * served by both within 15 seconds, publishers that race never mix, an outage fails no inference. Two minutes:
 * `bun test/release/object-store.ts`; needs go and dist/alpha.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCommand as run } from '../../deploy/release/command.ts'
import { isFault } from '../../src/lib/fault.ts'
import { ObjectStore } from '../../src/remote/object-store.ts'
import { RemoteRuns } from '../../src/remote/remote-runs.ts'
import { executablePath, startAlpha, uploadSecret } from '../helpers/alpha-server.ts'
import { eventually } from '../helpers/eventually.ts'

const GATEWAY = 'github.com/versity/versitygw/cmd/versitygw@v1.8.0'
const STORE = 's3://models/team'
const VISIBLE_MS = 15_000
const RACES = 200
const fixtures = join(import.meta.dir, '../fixtures')
const tools = join(import.meta.dir, '../../node_modules/.cache/versitygw')
const directory = mkdtempSync(join(tmpdir(), 'alpha-object-store-'))

let failures = 0
function tell(isRight: boolean, what: string): void {
	console.log(`(${isRight ? 'pass' : 'fail'}) ${what}`)
	if (!isRight) failures++
}

/** Runs `work`, tells how long it took and whether that was in time. */
async function timed(what: string, work: () => Promise<void>): Promise<void> {
	const startedAt = performance.now()
	const error = await work().then(
		() => null,
		(failure: unknown) => failure,
	)
	const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
	tell(error === null, `${what} after ${seconds} s${error === null ? '' : `: ${error}`}`)
}

function freePort(): number {
	using server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response() })
	return server.port!
}

if (!existsSync(join(tools, 'versitygw')))
	await run(['go', 'install', GATEWAY], { env: { GOBIN: tools } })
const port = freePort()
const env = {
	AWS_ACCESS_KEY_ID: 'access',
	AWS_SECRET_ACCESS_KEY: 'a-secret-for-tests',
	AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
	AWS_REGION: 'us-east-1',
}
mkdirSync(join(directory, 'data/models'), { recursive: true })

async function startGateway() {
	const child = Bun.spawn(
		[join(tools, 'versitygw'), '--port', `127.0.0.1:${port}`, 'posix', join(directory, 'data')],
		{
			env: { ROOT_ACCESS_KEY: env.AWS_ACCESS_KEY_ID, ROOT_SECRET_KEY: env.AWS_SECRET_ACCESS_KEY },
			stdin: 'ignore',
			stdout: 'ignore',
			stderr: 'ignore',
		},
	)
	await eventually(
		async () => (await fetch(env.AWS_ENDPOINT_URL).catch(() => null)) !== null,
		10_000,
	)
	return child
}

function startReplica(name: string) {
	const cache = join(directory, name)
	return startAlpha({ runs: [], env, args: ['--checkpoints', STORE, '--checkpoint-cache', cache] })
}

async function serves(url: string, model: string): Promise<boolean> {
	const { data } = (await (await fetch(`${url}/v1/models`)).json()) as {
		readonly data: readonly { readonly id: string }[]
	}
	return data.some(({ id }) => id === model)
}

async function continues(url: string, model: string): Promise<boolean> {
	const body = JSON.stringify({ model, prompt: 'a', max_tokens: 4 })
	const response = await fetch(`${url}/v1/completions`, { method: 'POST', body })
	await response.body?.cancel()
	return response.ok
}

async function storeStatus(url: string): Promise<string> {
	const response = await fetch(`${url}/readyz`)
	const { store } = (await response.json()) as { readonly store?: { readonly status: string } }
	return `${response.status} ${store?.status}`
}

/** Two publishers at once, again and again: whatever happens, the head is one of theirs. */
async function race(): Promise<void> {
	const runs = new RemoteRuns(new ObjectStore({ url: STORE, env }))
	const counts = { published: 0, refused: 0, mixed: 0 }
	const directories = ['left', 'right'].map((side) => join(directory, side))
	for (let round = 1; round <= RACES; round++) {
		const attempts = directories.map(async (path) => {
			await Bun.write(join(path, 'config.json'), `{"by":"${path}","round":${round}}`)
			await Bun.write(join(path, `checkpoint-${round}.json`), `${path} ${round}`)
			await runs.publish('raced', path, [`checkpoint-${round}.json`, 'config.json'])
		})
		for (const { status, ...rest } of await Promise.allSettled(attempts)) {
			if (status === 'fulfilled') counts.published++
			else if ('reason' in rest && isFault(rest.reason, 'conflict')) counts.refused++
			else throw (rest as PromiseRejectedResult).reason
		}
		const state = await runs.head('raced')
		const texts: string[] = []
		if (typeof state === 'string') throw new Error(`the head is ${state}`)
		for (const file of state.head.files) {
			const path = join(directory, 'fetched')
			await runs.download('raced', state.head, file, path)
			texts.push(await Bun.file(path).text())
			rmSync(path)
			rmSync(`${path}~`)
		}
		if (!directories.some((path) => texts.every((text) => text.includes(path)))) counts.mixed++
	}
	const { published, refused, mixed } = counts
	await runs.remove('raced')
	tell(
		mixed === 0 && published + refused === 2 * RACES,
		`${RACES} races: ${published} published, ${refused} told of the conflict, ${mixed} mixed`,
	)
}

let gateway = await startGateway()
try {
	const push = [executablePath, 'push', join(fixtures, 'v2-bpe-chat'), '--to', STORE]
	console.log((await run(push, { env })).trim())
	await using first = await startReplica('first')
	await using second = await startReplica('second')
	const both = async (model: string) =>
		(await Promise.all([first, second].map(({ url }) => serves(url, model)))).every(Boolean)
	await timed('both serve what was pushed', () => eventually(() => both('v2-bpe-chat'), VISIBLE_MS))

	const upload = [executablePath, 'upload', join(fixtures, 'v2-bpe-chat'), '--name', 'another']
	await run([...upload, '--to', first.url], { env: { UPLOAD_SECRET: uploadSecret } })
	await timed('both serve what was uploaded to one', () =>
		eventually(() => both('another'), VISIBLE_MS),
	)

	await race()

	gateway.kill('SIGKILL')
	await gateway.exited
	await timed('the outage is told', () =>
		eventually(async () => (await storeStatus(second.url)) === '200 degraded', 30_000),
	)
	const answers: boolean[] = []
	for (let i = 0; i < 200; i++) answers.push(await continues(second.url, 'another'))
	tell(
		answers.every(Boolean),
		`${answers.filter(Boolean).length} of 200 requests were answered meanwhile`,
	)
	const page = await (await fetch(`${second.url}/metrics`)).text()
	tell(/^alpha_store_up 0$/m.test(page), 'metrics have alpha_store_up 0')
	gateway = await startGateway()
	await timed('it is seen to be back', () =>
		eventually(async () => (await storeStatus(second.url)) === '200 ok', VISIBLE_MS),
	)
} finally {
	gateway.kill('SIGKILL')
	rmSync(directory, { recursive: true, force: true })
}
process.exit(failures === 0 ? 0 : 1)

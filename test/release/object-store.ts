/**
 * Two servers that share a real object store (versitygw, from the Go proxy): what is pushed or uploaded is
 * served by both within 15 seconds, files in parts and ranges are whole, publishers that race never mix, an
 * outage fails no inference and its end is seen within 15 seconds. Three minutes:
 * `bun test/release/object-store.ts [--races 1000] [--outage SECONDS]`; needs go and dist/alpha.
 */

import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runCommand as run } from '../../deploy/release/command.ts'
import { isFault } from '../../src/lib/fault.ts'
import { ObjectStore } from '../../src/remote/object-store.ts'
import { RemoteRuns } from '../../src/remote/remote-runs.ts'
import { executablePath, startAlpha, uploadSecret } from '../helpers/alpha-server.ts'
import { eventually } from '../helpers/eventually.ts'
import { freePort } from '../helpers/free-port.ts'

const GATEWAY = 'github.com/versity/versitygw/cmd/versitygw@v1.8.0'
const STORE = 's3://models/team'
const VISIBLE_MS = 15_000
/** More than a part and more than a few pieces. */
const LARGE_BYTES = 50_000_000
/** Between two requests during the outage. */
const REQUEST_INTERVAL_MS = 50

const { values: args } = parseArgs({
	options: {
		races: { type: 'string', default: '1000' },
		outage: { type: 'string', default: '30' },
	},
})
const races = Number(args.races)
const outageMs = Number(args.outage) * 1000
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

/** A file that goes in parts and comes in ranges. */
async function large(): Promise<void> {
	const path = join(directory, 'large')
	const bytes = new Uint8Array(LARGE_BYTES)
	for (let at = 0; at < bytes.length; at += 65_536) {
		crypto.getRandomValues(bytes.subarray(at, at + 65_536))
	}
	await Bun.write(join(path, 'checkpoint-1.json'), bytes)
	const runs = new RemoteRuns(new ObjectStore({ url: STORE, env }))
	const { head } = await runs.publish('large', path, ['checkpoint-1.json'])
	const fetched = join(directory, 'large-fetched')
	await runs.download('large', head, head.files[0]!, fetched)
	const isSame = Buffer.from(bytes).equals(await Bun.file(fetched).bytes())
	await runs.remove('large')
	const left = new Bun.Glob('**/.sgwtmp/multipart/*').scanSync({ cwd: directory, dot: true })
	tell(
		isSame && [...left].length === 0,
		`${LARGE_BYTES} bytes in parts and ranges come back, no parts stay`,
	)
}

/** Two publishers at once, again and again: whatever happens, the head is one of theirs. */
async function race(): Promise<void> {
	const runs = new RemoteRuns(new ObjectStore({ url: STORE, env }))
	const counts = { published: 0, refused: 0, mixed: 0 }
	const directories = ['left', 'right'].map((side) => join(directory, side))
	for (let round = 1; round <= races; round++) {
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
		mixed === 0 && published + refused === 2 * races,
		`${races} races: ${published} published, ${refused} told of the conflict, ${mixed} mixed`,
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

	await large()
	await race()

	gateway.kill('SIGKILL')
	await gateway.exited
	await timed('the outage is told', () =>
		eventually(async () => (await storeStatus(second.url)) === '200 degraded', 30_000),
	)
	const endsAt = performance.now() + outageMs
	const counts = { asked: 0, failed: 0 }
	while (performance.now() < endsAt) {
		counts.asked++
		if (!(await continues(second.url, 'another'))) counts.failed++
		await Bun.sleep(REQUEST_INTERVAL_MS)
	}
	tell(
		counts.failed === 0 && counts.asked > 0,
		`an outage of ${args.outage} s: ${counts.failed} of ${counts.asked} requests failed`,
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

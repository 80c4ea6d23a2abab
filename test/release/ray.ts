/**
 * deploy/ray_serve.py with Ray from PyPI: answers and streams come through, a second replica starts when
 * requests pile up, and none outlives Ray. Two minutes: `bun test/release/ray.ts`; needs python3 and dist/alpha.
 */

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCommand as run } from '../../deploy/release/command.ts'
import { executablePath } from '../helpers/alpha-server.ts'
import { eventually } from '../helpers/eventually.ts'
import { freePort } from '../helpers/free-port.ts'

const UV = 'uv==0.13.9'
const RAY = 'ray[serve]==2.60.0'
const root = join(import.meta.dir, '../..')
const environment = join(root, 'node_modules/.cache/ray')
const python = join(environment, 'bin/python')
const REPLICAS = 2
const CLIENTS = 12
/** What the command lines of the replicas of this run have. */
const MARK = `ray-test-${process.pid}`

/** Runs the application, then tells how many replicas run whenever a line comes. */
const DRIVER = `
import sys
import ray
from ray import serve
from deploy.ray_serve import app
ray.init(num_cpus=${REPLICAS + 1}, _node_ip_address="127.0.0.1", include_dashboard=False, log_to_driver=False)
serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
serve.run(app)
print("ready", flush=True)
for line in sys.stdin:
    deployment = serve.status().applications["default"].deployments["Alpha"]
    print(deployment.replica_states.get("RUNNING", 0), flush=True)
serve.shutdown()
ray.shutdown()
`

let failures = 0
function tell(isRight: boolean, what: string): void {
	console.log(`(${isRight ? 'pass' : 'fail'}) ${what}`)
	if (!isRight) failures++
}

/** Processes that this run's replicas consist of. */
function replicaProcesses(): string[] {
	return readdirSync('/proc').filter((pid) => {
		if (!/^\d+$/.test(pid)) return false
		try {
			const [program, ...args] = readFileSync(join('/proc', pid, 'cmdline'), 'utf8').split('\0')
			return program === executablePath && args.includes(MARK)
		} catch {
			// It has ended since.
			return false
		}
	})
}

if (!existsSync(join(environment, 'bin/serve'))) {
	await run(['python3', '-m', 'venv', environment])
	await run([python, '-m', 'pip', 'install', '-q', UV])
	await run([join(environment, 'bin/uv'), 'pip', 'install', '-q', '--python', python, RAY])
}
/** Ray writes logs and tokens. */
const home = mkdtempSync(join(tmpdir(), 'alpha-ray-'))
const port = freePort()
const url = `http://127.0.0.1:${port}`
const startedAt = performance.now()
const driver = Bun.spawn([python, '-c', DRIVER, String(port)], {
	cwd: root,
	env: {
		...process.env,
		HOME: home,
		RAY_TMPDIR: home,
		RAY_USAGE_STATS_ENABLED: '0',
		PYTHONDONTWRITEBYTECODE: '1',
		PYTHONPATH: root,
		SERVE_COMMAND: `${executablePath} serve --threads=1 --service-name ${MARK}`,
		SERVE_REPLICAS_MAX: String(REPLICAS),
		SERVE_REQUESTS: '2',
	},
	stdin: 'pipe',
	stdout: 'pipe',
	stderr: 'inherit',
})
const lines = driver.stdout.pipeThrough(new TextDecoderStream()).values()
let unread = ''
/** The next line of the driver. */
async function readLine(): Promise<string> {
	while (!unread.includes('\n')) {
		const { done, value } = await lines.next()
		if (done) throw new Error('the driver has ended')
		unread += value
	}
	const [line = '', ...rest] = unread.split('\n')
	unread = rest.join('\n')
	return line
}

async function runningReplicas(): Promise<number> {
	driver.stdin.write('\n')
	await driver.stdin.flush()
	return Number(await readLine())
}

/** A stream to its end: when its first and its last byte came, in milliseconds, and what is wrong with it. */
async function stream() {
	const askedAt = performance.now()
	const body = { prompt: 'She', max_tokens: 300, ignore_eos: true, stream: true }
	const response = await fetch(`${url}/v1/completions`, {
		method: 'POST',
		headers: { 'content-type': 'application/json' },
		body: JSON.stringify(body),
	})
	let [firstMs, text] = [0, '']
	const decoder = new TextDecoder()
	for await (const bytes of response.body!) {
		if (text === '') firstMs = performance.now() - askedAt
		text += decoder.decode(bytes, { stream: true })
	}
	const isWhole = response.status === 200 && text.endsWith('data: [DONE]\n\n')
	const endMs = performance.now() - askedAt
	return { firstMs, endMs, wrong: isWhole ? null : `${response.status}: ${text.slice(-200)}` }
}

try {
	while ((await readLine()) !== 'ready');
	tell(true, `Ray serves after ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)
	const list = await fetch(`${url}/v1/models`)
	const { data } = (await list.json()) as { readonly data: readonly { readonly id: string }[] }
	tell(list.status === 200 && data.length > 0, `the list of models: ${data[0]?.id}`)
	const missing = await fetch(`${url}/v1/models/none`)
	const { error } = (await missing.json()) as { readonly error?: { readonly code?: string } }
	tell(
		missing.status === 404 && error?.code === 'model_not_found',
		`an error as it is: ${error?.code}`,
	)
	// The first one also loads the model.
	await stream()
	const { firstMs, endMs, wrong } = await stream()
	const times = `${firstMs.toFixed(0)} of ${endMs.toFixed(0)} ms`
	tell(wrong === null && firstMs < endMs / 2, `a stream of 300 tokens begins after ${times}`)

	let isOver = false
	let streams = 0
	const lost: string[] = []
	const client = async () => {
		while (!isOver) {
			const complaint = await stream().then(
				(got) => got.wrong,
				(failure: unknown) => String(failure),
			)
			streams++
			if (complaint !== null) lost.push(complaint)
		}
	}
	const loadedAt = performance.now()
	const clients = Array.from({ length: CLIENTS }, client)
	await eventually(async () => (await runningReplicas()) === REPLICAS, 90_000)
	const seconds = ((performance.now() - loadedAt) / 1000).toFixed(1)
	tell(
		replicaProcesses().length === REPLICAS,
		`${REPLICAS} replicas ${seconds} s after ${CLIENTS} clients came`,
	)
	await Bun.sleep(2000)
	isOver = true
	await Promise.all(clients)
	tell(
		lost.length === 0,
		`${lost.length} of ${streams} streams lost${lost.length === 0 ? '' : `: ${lost[0]}`}`,
	)
} finally {
	driver.stdin.end()
	const status = await driver.exited
	await eventually(() => replicaProcesses().length === 0, 20_000).catch(() => undefined)
	rmSync(home, { recursive: true, force: true })
	tell(status === 0 && replicaProcesses().length === 0, 'no replica outlives Ray')
}
process.exit(failures === 0 ? 0 : 1)

/* An image with podman: locked down, watched by its health check, ended and started again with its volume. */
import { eventually } from '../helpers/eventually.ts'
import { tinyCheckpoint, toJsonForm } from '../helpers/tiny-checkpoint.ts'
import type { Podman } from './podman.ts'

const VOLUME = 'alpha-image-test'
const SECRET = 'a-secret-for-tests'
const UPLOADED = 'kept'

export interface ServedImage {
	readonly podman: Podman
	readonly name: string
	/** Where the container listens. */
	readonly port: number
	/** Further options of `podman run`. */
	readonly options: readonly string[]
}

/** What was seen of the image, in words. Throws what is wrong with it; leaves no container and no volume. */
export async function serveImage(image: ServedImage): Promise<string> {
	try {
		const [text, memory] = await withContainer(image, async (url, inspect) => {
			await upload(url)
			return [await continuation(url), await memoryOf(inspect)] as const
		})
		await withContainer(image, async (url) => {
			const models = await (await fetch(`${url}/v1/models`)).text()
			if (!models.includes(`"${UPLOADED}"`)) throw new Error(`the volume lost a run: ${models}`)
		})
		return `healthy, ${memory}, keeps an upload, ends with 0, says ${JSON.stringify(text)}`
	} finally {
		await image.podman('volume', 'rm', '--force', VOLUME)
	}
}

/** Tells of a container what a Go template asks for. */
type Inspect = (template: string) => Promise<string>

/** Starts a container without rights and ends it as an orchestrator does. */
async function withContainer<T>(
	{ podman, name, port, options }: ServedImage,
	work: (url: string, inspect: Inspect) => Promise<T>,
): Promise<T> {
	const safe = ['--read-only', '--cap-drop=ALL', '--security-opt=no-new-privileges']
	const outside = [
		`--publish=127.0.0.1::${port}`,
		`--volume=${VOLUME}:/checkpoints`,
		`--env=UPLOAD_SECRET=${SECRET}`,
	]
	const id = (await podman('run', '--detach', ...safe, ...outside, ...options, name)).trim()
	const inspect = async (template: string) =>
		(await podman('inspect', '--format', template, id)).trim()
	try {
		const [, published] = /:(\d+)\s*$/.exec(await podman('port', id)) ?? []
		const url = `http://127.0.0.1:${published}`
		const isReady = async () => (await fetch(`${url}/readyz`).catch(() => null))?.ok === true
		await eventually(isReady, 30_000)
		await expectEqual('at first', inspect('{{.State.Health.Status}}'), 'starting')
		await podman('healthcheck', 'run', id)
		await expectEqual('after its check', inspect('{{.State.Health.Status}}'), 'healthy')
		const result = await work(url, inspect)
		await podman('stop', '--time=40', id)
		const end = inspect('{{.State.ExitCode}}, out of memory: {{.State.OOMKilled}}')
		await expectEqual('after SIGTERM', end, '0, out of memory: false')
		return result
	} catch (error) {
		throw new Error(`${error}\n${await podman('logs', id)}`, { cause: error })
	} finally {
		await podman('rm', '--force', '--volumes', '--time=5', id)
	}
}

async function expectEqual(when: string, told: Promise<string>, expected: string): Promise<void> {
	const got = await told
	if (got !== expected) throw new Error(`${when}: expected ${expected}, got ${got}`)
}

/** Its limit in words. Throws when the container is root, may write to the image or has a capability. */
async function memoryOf(inspect: Inspect): Promise<string> {
	const who = '{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.EffectiveCaps}}'
	const rights = await inspect(`${who} {{.HostConfig.Memory}}`)
	const [, memory] = /^65532:65532 true \[\] (\d+)$/.exec(rights) ?? []
	if (memory === undefined) throw new Error(`expected nobody with no rights, got ${rights}`)
	return memory === '0' ? 'no limit' : `${Number(memory) / 2 ** 20} MiB`
}

async function upload(url: string): Promise<void> {
	const checkpoint = tinyCheckpoint()
	const config = JSON.stringify({ modelConfig: checkpoint.modelConfig })
	const fields = [
		`"name":"${UPLOADED}"`,
		`"config":${config}`,
		`"step":${checkpoint.step}`,
		`"checkpoint":${toJsonForm(checkpoint)}`,
	]
	const response = await fetch(`${url}/api/upload`, {
		method: 'POST',
		headers: { authorization: `Bearer ${SECRET}`, 'content-type': 'application/json' },
		body: `{${fields.join()}}`,
	})
	if (!response.ok)
		throw new Error(`an upload is answered ${response.status}: ${await response.text()}`)
}

async function continuation(url: string): Promise<string> {
	const response = await fetch(`${url}/api/generate?prompt=She&max_tokens=4&model=novels-austen`)
	const { text = '' } = (await response.json()) as { readonly text?: string }
	if (text === '') throw new Error('the image answers with no text')
	return text
}

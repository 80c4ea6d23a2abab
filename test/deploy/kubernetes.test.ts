/**
 * Names in the manifests and the chart that the server must know, too. What the tools of Kubernetes say of
 * them, and how they run, is `test/release/kubernetes.ts`.
 */
import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import packageJson from '../../package.json'
import { parseConfig } from '../../src/commands/settings/config.ts'
import { testApp } from '../helpers/test-app.ts'

const deploy = join(import.meta.dir, '../../deploy')
const directory = join(deploy, 'kubernetes')
const read = (path: string) => readFileSync(join(directory, path), 'utf8')
// biome-ignore lint/suspicious/noExplicitAny: each manifest has a shape of its own.
const parse = (path: string): any => Bun.YAML.parse(read(path))

const templates = readdirSync(join(directory, 'chart/templates')).map((name) => ({
	name,
	text: read(`chart/templates/${name}`),
}))
const templateOf = (name: string) => templates.find((each) => each.name === name)!.text

const { spec } = parse('base/deployment.yaml').spec.template
const [container] = spec.containers
const literals: readonly string[] = parse('base/kustomization.yaml').configMapGenerator[0].literals
const values = parse('chart/values.yaml')
const settingsOf: Readonly<Record<string, Readonly<Record<string, string>>>> = {
	'of Kustomize': Object.fromEntries(literals.map((each) => each.split('='))),
	'of the chart': values.settings,
}

const machine = { cores: 2, memoryBytes: 2 ** 30 }

describe.each(Object.entries(settingsOf))('the settings %s', (_, env) => {
	const {
		values: config,
		origins,
		warnings,
	} = parseConfig({ argv: [], env, readFile: () => '' }, machine, [])

	test('are all obeyed', () => {
		expect(warnings).toEqual([])
		const obeyed: readonly string[] = Object.values(origins)
		for (const name of Object.keys(env)) expect(obeyed).toContain(name)
	})

	test('listen where the container’s port is, for all', () => {
		expect(config).toMatchObject({ host: '0.0.0.0', port: container.ports[0].containerPort })
	})

	test('leave pods the time of both drains and more', () => {
		const { drainDelaySeconds, drainSeconds } = config
		expect(spec.terminationGracePeriodSeconds).toBe(drainDelaySeconds! + drainSeconds + 10)
		expect(templateOf('deployment.yaml')).toContain(
			'add (int .Values.settings.ALPHA_DRAIN_DELAY) (int .Values.settings.ALPHA_DRAIN_SECONDS) 10',
		)
	})

	test('write only where something is mounted', () => {
		const mounted = container.volumeMounts.map((each: { mountPath: string }) => each.mountPath)
		expect(mounted).toContain(config.checkpoints)
		expect(mounted).toContain(config.checkpointCache)
	})
})

test('the chart has the base’s pods, but for what is set by values', () => {
	const template = templateOf('deployment.yaml')
	const lines = read('base/deployment.yaml').split('\n')
	const free = /replicas:|Seconds: 45|name: alpha|image|3000|cpu|memory|requests:|limits:|8Gi/
	for (const line of lines.filter((each) => !free.test(each))) expect(template).toContain(line)
})

describe('the server behind the manifests', () => {
	const key = { name: 'key', value: 'a-key' }
	const paths = ['startupProbe', 'readinessProbe', 'livenessProbe'].map(
		(probe) => container[probe].httpGet.path,
	)
	const [{ path: scraped }] = parse('autoscaled/service-monitor.yaml').spec.endpoints

	test.each([...paths, scraped])('answers %s, whoever asks', async (path) => {
		const { status } = await testApp({ deps: { apiKeys: [key] } }).get(path)
		expect(status).toBe(200)
	})

	test('tells what the autoscaler asks for, and the adapter knows it by that name', async () => {
		const [{ pods }] = parse('autoscaled/autoscaler.yaml').spec.metrics
		const { name } = pods.metric
		expect(await (await testApp().get(scraped)).text()).toContain(`\n${name}{`)
		expect(templateOf('autoscaler.yaml')).toContain(`name: ${name}\n`)
		const [rule] = parse('prometheus-adapter.yaml').rules.custom
		expect(rule.seriesQuery).toContain(`__name__="${name}"`)
	})

	test('has the metrics by which endpoint pickers choose', async () => {
		const page = await (await testApp().get(scraped)).text()
		const [, section] = read('README.md').split('## Gateway API Inference Extension')
		const names = section!.match(/vllm:\w+/g)!
		expect(new Set(names).size).toBe(4)
		for (const name of names) expect(page).toContain(`# TYPE ${name} gauge\n`)
	})
})

test('pods run as the image’s user, without rights, and cannot write to the image', () => {
	const [, user, group] = /^USER (\d+):(\d+)$/m.exec(
		readFileSync(join(deploy, 'Dockerfile'), 'utf8'),
	)!
	expect(spec.securityContext).toMatchObject({
		runAsNonRoot: true,
		runAsUser: Number(user),
		runAsGroup: Number(group),
		fsGroup: Number(group),
	})
	expect(container.securityContext).toEqual({
		allowPrivilegeEscalation: false,
		readOnlyRootFilesystem: true,
		capabilities: { drop: ['ALL'] },
	})
})

test('image and chart have the version of the package', () => {
	const { version, appVersion } = parse('chart/Chart.yaml')
	const [{ newTag }] = parse('base/kustomization.yaml').images
	expect({ version, appVersion, newTag }).toEqual({
		version: packageJson.version,
		appVersion: packageJson.version,
		newTag: packageJson.version,
	})
})

test('each value of the chart is used by a template', () => {
	const used = templates.map(({ text }) => text).join('')
	for (const name of Object.keys(values)) expect(used).toContain(`.Values.${name}`)
})

/**
 * The files for platforms, against the keys that each platform documents, and against what the server and
 * its image do. Compose's own loader reads compose.yaml in `test/release/dockerfile.ts`.
 */
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { type TSchema, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { parseConfig } from '../../src/commands/settings/config.ts'
import { NOTICE_MS_MAX } from '../../src/server/readiness-watchers.ts'
import { testApp } from '../helpers/test-app.ts'

const root = join(import.meta.dir, '../..')
const deploy = join(root, 'deploy')
const read = (name: string) => readFileSync(join(deploy, name), 'utf8')
const dockerfile = read('Dockerfile')

/** An object with no other keys than these, of which none need be there. */
const keys = (properties: Record<string, TSchema>) =>
	Type.Partial(Type.Object(properties), { additionalProperties: false })
const words = (...values: readonly string[]) =>
	Type.Union(values.map((value) => Type.Literal(value)))
const strings = Type.Record(Type.String(), Type.String())
const duration = Type.String({ pattern: '^\\d+(ms|s|m)$' })
const path = Type.String({ pattern: '^/' })
const positive = Type.Integer({ minimum: 1 })

/** https://fly.io/docs/reference/configuration/ */
const flyKeys = keys({
	app: Type.String(),
	primary_region: Type.String(),
	kill_signal: words('SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGKILL', 'SIGSTOP'),
	kill_timeout: duration,
	swap_size_mb: positive,
	build: keys({
		dockerfile: Type.String(),
		ignorefile: Type.String(),
		image: Type.String(),
		'build-target': Type.String(),
		args: strings,
	}),
	env: strings,
	mounts: Type.Array(
		keys({
			source: Type.String({ pattern: '^[a-z0-9_]+$' }),
			destination: path,
			initial_size: Type.String(),
			snapshot_retention: positive,
			processes: Type.Array(Type.String()),
		}),
	),
	http_service: keys({
		internal_port: positive,
		force_https: Type.Boolean(),
		auto_stop_machines: words('off', 'stop', 'suspend'),
		auto_start_machines: Type.Boolean(),
		min_machines_running: Type.Integer(),
		processes: Type.Array(Type.String()),
		concurrency: keys({
			type: words('connections', 'requests'),
			soft_limit: positive,
			hard_limit: positive,
		}),
		checks: Type.Array(
			keys({
				method: words('GET', 'HEAD', 'POST'),
				path,
				interval: duration,
				timeout: duration,
				grace_period: duration,
				protocol: words('http', 'https'),
				tls_skip_verify: Type.Boolean(),
				headers: strings,
			}),
		),
	}),
	vm: Type.Array(
		keys({
			size: Type.String(),
			memory: Type.String({ pattern: '^\\d+(mb|gb)$' }),
			cpus: Type.Union([1, 2, 4, 8, 16].map((count) => Type.Literal(count))),
			cpu_kind: words('shared', 'performance'),
			processes: Type.Array(Type.String()),
		}),
	),
})

/** https://render.com/docs/blueprint-spec; of a web service with a disk, which cannot have its own time to stop. */
const renderKeys = keys({
	services: Type.Array(
		keys({
			type: words('web'),
			name: Type.String(),
			runtime: words('docker'),
			plan: Type.String(),
			region: Type.String(),
			dockerfilePath: Type.String(),
			dockerContext: Type.String(),
			dockerCommand: Type.String(),
			healthCheckPath: path,
			autoDeployTrigger: words('commit', 'checksPass', 'off'),
			disk: keys({ name: Type.String(), mountPath: path, sizeGB: positive }),
			envVars: Type.Array(
				Type.Union([
					Type.Object(
						{ key: Type.String(), value: Type.String() },
						{ additionalProperties: false },
					),
					Type.Object(
						{ key: Type.String(), generateValue: Type.Literal(true) },
						{ additionalProperties: false },
					),
					Type.Object(
						{ key: Type.String(), sync: Type.Literal(false) },
						{ additionalProperties: false },
					),
				]),
			),
		}),
	),
})

/** https://docs.railway.com/reference/config-as-code */
const railwayKeys = keys({
	$schema: words('https://railway.com/railway.schema.json'),
	build: keys({
		builder: words('RAILPACK', 'DOCKERFILE'),
		buildCommand: Type.String(),
		dockerfilePath: Type.String(),
		watchPatterns: Type.Array(Type.String()),
	}),
	deploy: keys({
		startCommand: Type.String(),
		preDeployCommand: Type.Array(Type.String()),
		numReplicas: positive,
		healthcheckPath: path,
		healthcheckTimeout: positive,
		restartPolicyType: words('ON_FAILURE', 'ALWAYS', 'NEVER'),
		restartPolicyMaxRetries: positive,
		requiredMountPath: path,
		overlapSeconds: Type.Integer(),
		drainingSeconds: positive,
		sleepApplication: Type.Boolean(),
	}),
})

/** What a file asks of the server. */
interface Platform {
	/** Relative to the top of the repository. */
	readonly dockerfile: string
	readonly volume: string
	/** Null where the platform asks the image's own health check. */
	readonly healthPath: string | null
	/** From SIGTERM to SIGKILL. */
	readonly secondsToStop: number
	readonly env: Readonly<Record<string, string>>
	/** To which the platform connects; null where it sets `PORT` itself. */
	readonly port: number | null
}

// biome-ignore lint/suspicious/noExplicitAny: the tests of keys say what shape each has.
type Parsed = any

const fly: Parsed = Bun.TOML.parse(read('fly.toml'))
const render: Parsed = Bun.YAML.parse(read('render.yaml'))
const railway: Parsed = JSON.parse(read('railway.json'))
const compose: Parsed = Bun.YAML.parse(read('compose.yaml'))

/** By a key of its own, or what the platform gives where none can be set. */
const RENDER_SECONDS_TO_STOP = 30

function flyPlatform(): Platform {
	const [check] = fly.http_service.checks
	return {
		// From the file's own directory.
		dockerfile: relative(root, join(deploy, fly.build.dockerfile)),
		volume: fly.mounts[0].destination,
		healthPath: check.path,
		secondsToStop: Number.parseInt(fly.kill_timeout, 10),
		env: fly.env,
		port: fly.http_service.internal_port,
	}
}

function renderPlatform(): Platform {
	const [service] = render.services
	const fixed = service.envVars.filter((each: object) => 'value' in each)
	return {
		dockerfile: service.dockerfilePath,
		volume: service.disk.mountPath,
		healthPath: service.healthCheckPath,
		secondsToStop: RENDER_SECONDS_TO_STOP,
		env: Object.fromEntries(fixed.map(({ key, value }: Parsed) => [key, value])),
		port: null,
	}
}

function railwayPlatform(): Platform {
	return {
		dockerfile: railway.build.dockerfilePath,
		volume: railway.deploy.requiredMountPath,
		healthPath: railway.deploy.healthcheckPath,
		secondsToStop: railway.deploy.drainingSeconds,
		env: {},
		port: null,
	}
}

function composePlatform(): Platform {
	const { build, environment, volumes, ports, stop_grace_period } = compose.services.alpha
	return {
		dockerfile: join(relative(root, join(deploy, build.context)), build.dockerfile),
		volume: volumes[0].split(':')[1],
		healthPath: null,
		secondsToStop: Number.parseInt(stop_grace_period, 10),
		// Set where the shell has them.
		env: Object.fromEntries(environment.map((name: string) => [name, 'a-value'])),
		port: Number(ports[0].split(':').at(-1)),
	}
}

test.each([
	['fly.toml', fly, flyKeys],
	['render.yaml', render, renderKeys],
	['railway.json', railway, railwayKeys],
])(
	'%s has only keys that the platform documents, with values of their kinds',
	(_, file, schema) => {
		expect(
			[...Value.Errors(schema, file)].map(({ path, message }) => `${path}: ${message}`),
		).toEqual([])
	},
)

const imageEnv = Object.fromEntries(
	/^ENV (.*)$/m
		.exec(dockerfile)![1]!
		.split(' ')
		.map((each) => each.split('=') as [string, string]),
)

const platforms: readonly (readonly [string, Platform])[] = [
	['fly.toml', flyPlatform()],
	['render.yaml', renderPlatform()],
	['railway.json', railwayPlatform()],
	['compose.yaml', composePlatform()],
]

describe.each(platforms)('%s', (_, platform) => {
	const machine = { cores: 2, memoryBytes: 2 ** 30 }
	const env = { ...imageEnv, ...(platform.port === null ? { PORT: '8080' } : {}), ...platform.env }
	const { values, origins, warnings } = parseConfig(
		{ argv: [], env, readFile: () => '' },
		machine,
		[],
	)

	test('builds the Dockerfile', () => {
		expect(platform.dockerfile).toBe('deploy/Dockerfile')
	})

	test('sets only what the server obeys, and connects to where it listens', () => {
		expect(warnings).toEqual([])
		const obeyed: readonly string[] = Object.values(origins)
		for (const name of Object.keys(env)) expect(obeyed).toContain(name)
		expect(values).toMatchObject({ host: '0.0.0.0', port: platform.port ?? 8080 })
	})

	test('has its volume where the image keeps checkpoints', () => {
		expect(platform.volume).toBe(values.checkpoints)
		expect(dockerfile).toContain(`\nVOLUME ${platform.volume}\n`)
	})

	test('leaves streams the time that the server gives them', () => {
		const seconds = NOTICE_MS_MAX / 1000 + values.drainSeconds
		expect(platform.secondsToStop).toBeGreaterThan(seconds)
	})
})

test.each(platforms.filter(([, { healthPath }]) => healthPath !== null))(
	'%s asks for health where it is told to all',
	async (_, { healthPath }) => {
		const app = testApp({ deps: { apiKeys: [{ name: 'key', value: 'a-key' }] } })
		const { status } = await app.get(healthPath!)
		expect(status).toBe(200)
	},
)

test('the image is built from what the executable is a function of, and from nothing else', () => {
	const taken = read('Dockerfile.dockerignore')
		.split('\n')
		.filter((line) => line.startsWith('!'))
		.map((line) => line.slice(1))
	const [, list] = /const SOURCES = \[\n([^\]]*)\]/.exec(
		readFileSync(join(root, 'build.ts'), 'utf8'),
	)!
	const sources = [...list!.matchAll(/'([^']+)'/g)].map(([, pattern]) => pattern!)
	for (const pattern of sources) {
		expect(taken.filter((path) => pattern === path || pattern.startsWith(`${path}/`))).toHaveLength(
			1,
		)
	}
	// Of the others Bun needs the settings for installing.
	const others = taken.filter((path) => !sources.some((pattern) => pattern.startsWith(path)))
	expect(others).toEqual(['bunfig.toml'])
	expect(fly.build.ignorefile).toBe(`${fly.build.dockerfile}.dockerignore`)
})

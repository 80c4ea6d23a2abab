import { KV_BYTES_MAX } from '../../engine/memory.ts'
import { instructionSets, threadsMax } from '../../kernels/binding.ts'
import type { ApiKey } from '../../server/auth.ts'
import { isSubnet } from '../../server/clients.ts'
import { kvBudget, memoryBudgets } from '../serving/memory-budgets.ts'
import { type OptionTable, suggestion, UsageError, variablesOf } from './option.ts'
import {
	bytesOption,
	choiceOption,
	formatBytes,
	integerOption,
	listOption,
	numberOption,
	switchOption,
	textOption,
	urlOption,
} from './option-kinds.ts'
import {
	isDefault,
	type OptionSources,
	type Origins,
	parseOptions,
	type Values,
} from './options.ts'
import { settings, variableOf } from './settings.ts'

/** What defaults depend on; measured by `commands/machine.ts`. */
export interface Machine {
	/** Physical cores that this process may use. */
	readonly cores: number
	/** Memory that this process may use. */
	readonly memoryBytes: number
}

const MIB = 2 ** 20
const GIB = 2 ** 30

/** The options of `alpha serve`: the one place where a setting, its bounds and its default stand. */
export function serveOptions(machine: Machine) {
	return settings({
		host: textOption({
			flag: '--host',
			env: ['HOST'],
			placeholder: 'ADDRESS',
			defaultValue: '127.0.0.1',
			help: 'address to listen on; 0.0.0.0 for all',
		}),
		port: integerOption({
			flag: '--port',
			env: ['PORT'],
			min: 0,
			max: 65535,
			defaultValue: 3000,
			help: 'port to listen on; 0 for any free one',
		}),
		tlsCert: textOption({
			flag: '--tls-cert',
			placeholder: 'FILE',
			defaultValue: null,
			defaultText: 'no TLS',
			help: 'certificate chain in PEM; it is read again when it changes',
		}),
		tlsKey: textOption({
			flag: '--tls-key',
			placeholder: 'FILE',
			defaultValue: null,
			defaultText: 'no TLS',
			help: "the certificate's private key in PEM",
		}),
		checkpoints: textOption({
			flag: '--checkpoints',
			env: ['CHECKPOINTS_DIR'],
			placeholder: 'DIR',
			defaultValue: './checkpoints',
			help: 'runs to serve; also s3://BUCKET/PREFIX',
		}),
		checkpointCache: textOption({
			flag: '--checkpoint-cache',
			placeholder: 'DIR',
			defaultValue: './checkpoint-cache',
			help: 'copies of the runs of an object store',
		}),
		threads: integerOption({
			flag: '--threads',
			min: 1,
			max: threadsMax,
			defaultValue: Math.min(machine.cores, threadsMax),
			defaultText: 'physical cores',
			help: 'threads that compute',
		}),
		isa: choiceOption({
			flag: '--isa',
			choices: ['auto', ...instructionSets],
			defaultValue: 'auto',
			help: 'ISA',
		}),
		dtype: choiceOption({
			flag: '--dtype',
			choices: ['f32', 'bf16', 'int8', 'auto'],
			defaultValue: 'f32',
			help: "number format of the weights; auto: the nearest to each file's",
		}),
		embeddedModel: switchOption({
			flag: '--no-embedded-model',
			help: 'do not serve the model inside the executable',
		}),
		modelMemoryBytes: bytesOption({
			flag: '--model-memory',
			min: MIB,
			defaultValue: memoryBudgets(machine.memoryBytes).modelBytes,
			defaultText: 'half of the memory above 112M',
			help: 'memory for loaded models',
		}),
		kvMemoryBytes: bytesOption({
			flag: '--kv-memory',
			min: MIB,
			defaultValue: kvBudget(machine.memoryBytes),
			defaultText: '512M … 1G by machine',
			help: 'keys and values of each loaded model',
		}),
		preload: listOption({
			flag: '--preload',
			placeholder: 'NAME[,NAME]',
			defaultValue: [],
			help: 'models to load at start instead of on first use',
		}),
		batchTokensMax: integerOption({
			flag: '--batch-tokens-max',
			min: 1,
			max: 4096,
			defaultValue: 256,
			help: 'tokens computed in one step',
		}),
		sequencesMax: integerOption({
			flag: '--sequences-max',
			min: 1,
			max: 1024,
			defaultValue: 128,
			help: 'sequences that generate at the same time',
		}),
		queueLengthMax: integerOption({
			flag: '--queue-length-max',
			min: 0,
			max: 65536,
			defaultValue: 512,
			help: 'sequences that wait; beyond that requests get 503',
		}),
		queueSeconds: integerOption({
			flag: '--queue-seconds',
			min: 1,
			max: 600,
			defaultValue: 10,
			help: 'longest wait for a place; beyond that requests get 503',
		}),
		trustedProxies: listOption({
			flag: '--trusted-proxies',
			placeholder: 'ADDRESS[,ADDRESS]',
			defaultValue: [],
			defaultText: 'none',
			help: 'proxies or subnets whose X-Forwarded-For is believed',
		}),
		sharesCache: switchOption({
			flag: '--share-prefix-cache',
			help: 'let requests with different API keys reuse cached prompts',
		}),
		idleSeconds: integerOption({
			flag: '--idle-timeout',
			min: 1,
			max: 255,
			defaultValue: 75,
			help: 'seconds until an idle connection is closed',
		}),
		drainDelaySeconds: integerOption({
			flag: '--drain-delay',
			min: 0,
			max: 600,
			defaultValue: null,
			defaultText: '3 probes',
			help: 'seconds of service after SIGTERM, with /readyz at 503',
		}),
		drainSeconds: integerOption({
			flag: '--drain-seconds',
			min: 0,
			max: 3600,
			defaultValue: 30,
			help: 'time that running streams get to finish after SIGTERM',
		}),
		uploadBytesMax: bytesOption({
			flag: '--upload-bytes-max',
			min: MIB,
			defaultValue: 4 * GIB,
			help: 'largest upload as sent',
		}),
		uploadInflatedBytesMax: bytesOption({
			flag: '--upload-inflated-bytes-max',
			min: MIB,
			defaultValue: 16 * GIB,
			help: 'largest upload after decompression',
		}),
		allowsPickleUploads: switchOption({
			flag: '--allow-pickle-uploads',
			help: 'take models in files of torch.save and pickle, which are read but never run',
		}),
		logFormat: choiceOption({
			flag: '--log-format',
			choices: ['auto', 'text', 'json'],
			defaultValue: 'auto',
			help: 'form of the log; auto: text on terminals, else JSON',
		}),
		otlpEndpoint: urlOption({
			flag: '--otlp-endpoint',
			env: ['OTEL_EXPORTER_OTLP_ENDPOINT'],
			defaultValue: null,
			defaultText: 'no traces',
			help: 'collector by OTLP over HTTP',
		}),
		otlpHeaders: listOption({
			key: 'otlp-headers',
			env: ['OTEL_EXPORTER_OTLP_HEADERS'],
			isSecret: true,
			placeholder: 'NAME=VALUE[,NAME=VALUE]',
			defaultValue: [],
			defaultText: 'none',
			help: 'headers for the collector',
		}),
		serviceName: textOption({
			flag: '--service-name',
			env: ['OTEL_SERVICE_NAME'],
			placeholder: 'NAME',
			defaultValue: 'alpha',
			help: 'what traces call this server',
		}),
		traceShare: numberOption({
			flag: '--trace-share',
			min: 0,
			max: 1,
			defaultValue: 1,
			help: 'share of the traces that begin here',
		}),
		uploadSecret: textOption({
			key: 'upload-secret',
			env: ['UPLOAD_SECRET'],
			isSecret: true,
			placeholder: 'SECRET',
			defaultValue: null,
			defaultText: 'uploads refused',
			help: 'bearer token of uploads',
		}),
		apiKeys: listOption({
			key: 'api-keys',
			isSecret: true,
			placeholder: 'KEY[,KEY]',
			defaultValue: [],
			defaultText: 'no key needed',
			help: 'keys that /v1 and /api ask for: KEY or NAME: KEY',
		}),
	})
}

/** Settings of the server, checked and frozen. */
export type Config = Omit<GivenConfig, 'apiKeys'> & { readonly apiKeys: readonly ApiKey[] }

type GivenConfig = Values<ReturnType<typeof serveOptions>>

/** Which flag or variable a setting came from. */
export type ConfigOrigins = Origins<ReturnType<typeof serveOptions>>

interface ParsedConfig {
	readonly values: Config & { readonly printConfig: boolean }
	readonly origins: ConfigOrigins
	readonly positionals: readonly string[]
	/** What was given and is not obeyed, in sentences. */
	readonly warnings: readonly string[]
}

/** Reads the settings of `alpha serve`. `ownNames`: hosts that are this machine. Throws UsageError. */
export function parseConfig(
	sources: OptionSources,
	machine: Machine,
	ownNames: readonly string[],
): ParsedConfig {
	const table = { ...serveOptions(machine), printConfig: printConfigOption }
	const { env, warnings } = withoutForeignValues(sources.env, ownNames)
	const { values, origins, positionals } = parseOptions(table, { ...sources, env })
	const apiKeys = toKeys(values.apiKeys, origins, env)
	const config = { ...values, host: withoutBrackets(values.host), apiKeys }
	if (config.uploadSecret !== null) checkSecret(origins.uploadSecret, config.uploadSecret)
	for (const { value } of config.apiKeys) checkSecret(origins.apiKeys, value)
	if (config.kvMemoryBytes > KV_BYTES_MAX) {
		const [max, got] = [KV_BYTES_MAX, config.kvMemoryBytes].map(formatBytes)
		throw new UsageError(`${origins.kvMemoryBytes}: expected at most ${max}, got ${got}`)
	}
	checkSequences(config, origins)
	for (const header of config.otlpHeaders) checkHeader(origins.otlpHeaders, header)
	for (const proxy of config.trustedProxies) {
		if (isSubnet(proxy)) continue
		const expected = 'expected an address or ADDRESS/BITS'
		throw new UsageError(`${origins.trustedProxies}: ${expected}, got "${proxy}"`)
	}
	return {
		values: Object.freeze(config),
		origins,
		positionals,
		warnings: [...warnings, ...misspeltVariables(table, sources)],
	}
}

/** What `--print-config` prints; nothing that a file could ask for. */
export const printConfigOption = switchOption({
	flag: '--print-config',
	help: 'print every setting and where it came from, then end',
})

/** Variables of others, for instance of trainers, are further from ours. */
const MISSPELT_EDITS_MAX = 2

/** Variables that are nearly those of a setting: nobody would notice that they do nothing. */
function misspeltVariables(table: OptionTable, { env, otherKeys = [] }: OptionSources): string[] {
	const known = [...Object.values(table).flatMap(variablesOf), ...otherKeys.map(variableOf)]
	const unknown = Object.keys(env).filter((name) => /^ALPHA_/.test(name) && !known.includes(name))
	return unknown.flatMap((name) => {
		const hint = suggestion(name, known, MISSPELT_EDITS_MAX)
		return hint === '' ? [] : [`${name} is no setting and is ignored${hint}`]
	})
}

/** `NAME=VALUE` as OpenTelemetry has it: values in percent encoding. */
function checkHeader(source: string, text: string): void {
	const [, value] = /^[!#$%&'*+.^`|~\w-]+ *=(.*)$/.exec(text) ?? []
	try {
		if (value !== undefined && /^[\x20-\x7e]*$/.test(decodeURIComponent(value))) return
	} catch {
		// Not percent encoding: refused as what is no header at all.
	}
	throw new UsageError(`${source}: expected NAME=VALUE with the value in percent encoding`)
}

/** Each sequence takes a row of a step. Names the setting that was given, of two the number of sequences. */
function checkSequences({ sequencesMax, batchTokensMax }: Config, origins: ConfigOrigins): void {
	if (sequencesMax <= batchTokensMax) return
	const [sequences, tokens] = [origins.sequencesMax, origins.batchTokensMax]
	throw new UsageError(
		isDefault(sequences)
			? `${tokens}: expected at least ${sequences}, which is ${sequencesMax}, got ${batchTokensMax}`
			: `${sequences}: expected at most ${tokens}, which is ${batchTokensMax}, got ${sequencesMax}`,
	)
}

/**
 * Variables that others set for purposes of their own. Compilers and shells set HOST to the kind of machine
 * or its name, which cannot be listened on: it is taken only where it is this machine. Kubernetes sets
 * ALPHA_PORT to an address where there is a service named alpha.
 */
function withoutForeignValues(env: OptionSources['env'], ownNames: readonly string[]) {
	const { HOST: host = '', ALPHA_PORT: port = '', ...others } = env
	const taken: Record<string, string | undefined> = { ...others }
	const warnings: string[] = []
	if (host === '' || ownNames.includes(withoutBrackets(host))) taken['HOST'] = env['HOST']
	else warnings.push(`HOST="${host}" is no address of this machine and is ignored: set ALPHA_HOST`)
	if (!/^(tcp|udp):\/\//.test(port)) taken['ALPHA_PORT'] = env['ALPHA_PORT']
	else warnings.push(`ALPHA_PORT="${port}" is Kubernetes' and is ignored: set PORT or --port`)
	return { env: taken, warnings }
}

/** As in a URL, `[::1]`. */
function withoutBrackets(host: string): string {
	return /^\[(.*)\]$/.exec(host)?.[1] ?? host
}

/** Keys without the comments of a file. Keys that are asked for and are none must not open the server. */
function toKeys(
	given: readonly string[],
	origins: ConfigOrigins,
	env: OptionSources['env'],
): readonly ApiKey[] {
	const keys = given.filter((key) => !key.startsWith('#')).map(toKey)
	const nameOnly = given.find((key) => NAME_ONLY.test(key))
	if (nameOnly !== undefined) {
		throw new UsageError(`${origins.apiKeys}: expected a key after "${nameOnly}", got nothing`)
	}
	const isAsked =
		!isDefault(origins.apiKeys) ||
		['ALPHA_API_KEYS', 'ALPHA_API_KEYS_FILE'].some((name) => env[name] !== undefined)
	if (!isAsked || keys.length > 0) return keys
	const source = isDefault(origins.apiKeys) ? 'ALPHA_API_KEYS' : origins.apiKeys
	throw new UsageError(`${source}: expected a key, got nothing: unset it to ask for none`)
}

/** `NAME:` whose key is missing, as an unset variable leaves it: as a key, everybody could guess it. */
const NAME_ONLY = /^[\w.-]{1,64}:$/

/** `NAME: KEY`, with the blank. A key without a name is called by its place. */
function toKey(text: string, index: number): ApiKey {
	const [, name = `key ${index + 1}`, value = text] = /^([\w.-]{1,64}): +(.+)$/.exec(text) ?? []
	return { name, value }
}

/** Nobody could send any other in an `Authorization` header. */
function checkSecret(variable: string, secret: string): void {
	if (/^[!-~]([ -~]*[!-~])?$/.test(secret)) return
	throw new UsageError(`${variable}: expected visible ASCII characters`)
}

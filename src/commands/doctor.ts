/** `alpha doctor`: what would keep this machine from serving. */
import { constants } from 'node:fs'
import { access, mkdtemp, readdir, rmdir, stat, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openKernels } from '../kernels/binding.ts'
import { LibraryUnavailableError } from '../kernels/library-path.ts'
import { errorCode, messageOf } from '../lib/errors.ts'
import { type Command, type CommandContext, exitStatus } from './command.ts'
import { descriptorLimit, ownHosts, readMachine } from './machine.ts'
import { isStoreUrl, localDirectory, openRemoteRuns } from './object-store.ts'
import { kernelLibraryPath } from './packaged-files.ts'
import { startRuntime } from './runtime.ts'
import { type Config, type ConfigOrigins, parseConfig, serveOptions } from './settings/config.ts'
import { UsageError } from './settings/option.ts'
import { formatBytes } from './settings/option-kinds.ts'
import { formatTable } from './table.ts'

/** Least memory with which the embedded model and uploads are served. */
const MEMORY_BYTES_MIN = 256 * 2 ** 20

/** Oldest C library that the executable runs on. */
const GLIBC_MIN = '2.17'

/** Least room on the disk of the runs that goes without a remark. */
const DISK_BYTES_MIN = 2 ** 30

interface Finding {
	/** `bad` keeps the server from starting; `warning` keeps it from something. */
	readonly state: 'good' | 'warning' | 'bad'
	readonly text: string
	/** Exit status where it is bad. Default 78: this machine is not fit. */
	readonly status?: number
}

type Check = (subject: Subject) => Finding | Promise<Finding>

interface Subject {
	readonly config: Config
	readonly origins: ConfigOrigins
	readonly context: CommandContext
}

export const doctorCommand: Command = {
	name: 'doctor',
	usage: '[OPTIONS of serve]',
	summary: 'what would keep this machine from serving, with these settings',
	options: () => serveOptions(readMachine()),
	async run(context) {
		const { values: config, origins, positionals } = parseConfig(context, readMachine(), ownHosts())
		if (positionals.length > 0) throw new UsageError(`unexpected argument "${positionals[0]}"`)
		const rows: string[][] = []
		let status = 0
		for (const [name, check] of Object.entries(CHECKS)) {
			const finding = await found(check, { config, origins, context })
			rows.push([finding.state, name, finding.text])
			if (finding.state === 'bad') status ||= finding.status ?? exitStatus.unfit
		}
		context.print(formatTable(rows))
		return status
	},
}

async function found(check: Check, subject: Subject): Promise<Finding> {
	try {
		return await check(subject)
	} catch (error) {
		return { state: 'bad', text: messageOf(error) }
	}
}

const CHECKS: Readonly<Record<string, Check>> = {
	system: checkSystem,
	processor: checkProcessor,
	memory: checkMemory,
	'temp directory': checkTempDirectory,
	checkpoints: checkDirectory,
	'object store': checkStore,
	port: checkPort,
	descriptors: checkDescriptors,
	engine: checkEngine,
}

function checkSystem(): Finding {
	const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
	const version = report.header?.glibcVersionRuntime
	if (process.platform !== 'linux' || version === undefined) {
		return { state: 'bad', text: `expected Linux with glibc, got ${process.platform}` }
	}
	const isOld = Bun.semver.order(`${version}.0`, `${GLIBC_MIN}.0`) < 0
	const text = `${process.platform} ${process.arch}, glibc ${version}`
	return isOld
		? { state: 'bad', text: `${text}: expected ${GLIBC_MIN} or newer` }
		: { state: 'good', text }
}

function checkProcessor({ config, origins, context }: Subject): Finding {
	const kernels = openKernels(
		kernelLibraryPath({ env: context.env, checkpoints: localDirectory(config) }),
	)
	const runnable = kernels.isaList().filter((name) => kernels.isaSupported(name))
	if (kernels.select(config.isa === 'auto' ? '' : config.isa) !== 0) {
		const text = `${origins.isa}: expected ${runnable.join(' or ')}, got "${config.isa}"`
		return { state: 'bad', text }
	}
	const used = kernels.isaName()
	const text = `${used} of ${runnable.join(', ')}; ${config.threads} of ${readMachine().cores} cores`
	return { state: used === 'scalar' ? 'warning' : 'good', text }
}

function checkMemory({ config, origins }: Subject): Finding {
	const { memoryBytes } = readMachine()
	const text = `${formatBytes(memoryBytes)}, of which ${formatBytes(config.modelMemoryBytes)} for models`
	if (memoryBytes < MEMORY_BYTES_MIN) {
		return { state: 'bad', text: `${text}: expected at least ${formatBytes(MEMORY_BYTES_MIN)}` }
	}
	if (config.modelMemoryBytes < memoryBytes) return { state: 'good', text }
	return { state: 'warning', text: `${text}: ${origins.modelMemoryBytes} is more than there is` }
}

/** Uploads, and where memory files are forbidden the kernels, need a place. */
async function checkTempDirectory({ config, context }: Subject): Promise<Finding> {
	const directory = tmpdir()
	try {
		await rmdir(await mkdtemp(join(directory, 'alpha-doctor-')))
	} catch (error) {
		return { state: 'warning', text: `${directory} cannot be written: ${messageOf(error)}` }
	}
	try {
		kernelLibraryPath({ env: context.env, checkpoints: localDirectory(config) })
	} catch (error) {
		if (!(error instanceof LibraryUnavailableError)) throw error
		return { state: 'bad', text: error.message.split('\n').at(-1) ?? '' }
	}
	return { state: 'good', text: `${directory} can be written, code can be loaded` }
}

async function checkDirectory({ config, origins }: Subject): Promise<Finding> {
	const path = localDirectory(config)
	const state = await stat(path).catch((error: unknown) => errorCode(error))
	if (typeof state === 'string') {
		if (state === 'ENOENT') {
			const text = `${path} (${origins.checkpoints}) does not exist: only the embedded model is served`
			return { state: 'warning', text }
		}
		return { state: 'bad', text: `${path} (${origins.checkpoints}): ${state}` }
	}
	if (!state.isDirectory()) {
		return { state: 'bad', text: `${path} (${origins.checkpoints}) is no directory` }
	}
	const entries = await readdir(path)
	const { bavail, bsize } = await statfs(path)
	const text = `${path}: ${entries.length} entries, ${formatBytes(bavail * bsize)} free`
	const isWritable = await access(path, constants.W_OK).then(
		() => true,
		() => false,
	)
	if (!isWritable) return { state: 'warning', text: `${text}; not writable: uploads will fail` }
	return { state: bavail * bsize < DISK_BYTES_MIN ? 'warning' : 'good', text }
}

async function checkStore({ config, origins, context }: Subject): Promise<Finding> {
	const { checkpoints } = config
	if (!isStoreUrl(checkpoints)) return { state: 'good', text: 'none' }
	const runs = openRemoteRuns(checkpoints, origins.checkpoints, context)
	try {
		return { state: 'good', text: `${checkpoints}: ${(await runs.names()).length} runs` }
	} catch (error) {
		// What was brought before is served all the same.
		return { state: 'warning', text: `${checkpoints}: ${messageOf(error)}` }
	}
}

function checkPort({ config, origins }: Subject): Finding {
	const { host, port } = config
	try {
		const listener = Bun.listen({ hostname: host, port, socket: { data() {} } })
		listener.stop(true)
		return { state: 'good', text: `${host} port ${port === 0 ? 'any' : port} is free` }
	} catch (error) {
		const origin = errorCode(error) === 'EADDRINUSE' ? origins.port : origins.host
		const text = `${origin}: cannot listen on ${host} port ${port}: ${messageOf(error)}`
		return { state: 'bad', text, status: exitStatus.unavailable }
	}
}

/** Connections that the descriptors of a process leave room for go without a remark. */
const DESCRIPTORS_MIN = 1024

async function checkDescriptors(): Promise<Finding> {
	const limit = descriptorLimit()
	if (limit === undefined) return { state: 'good', text: 'the system does not tell' }
	const text = `${limit === Number.POSITIVE_INFINITY ? 'any number of' : limit} files and connections at once`
	return limit >= DESCRIPTORS_MIN
		? { state: 'good', text }
		: { state: 'warning', text: `${text}: raise it with ulimit -n or LimitNOFILE` }
}

/** Everything together: kernels, threads, loader. */
async function checkEngine({ config, origins, context }: Subject): Promise<Finding> {
	const settings = { ...config, checkpoints: localDirectory(config), isaOrigin: origins.isa }
	await using runtime = await startRuntime(settings, context, () => {})
	await runtime.catalog.lookFor()
	const [served, unserved] = [runtime.catalog.list(), runtime.catalog.listUnserved()]
	if (served.length === 0)
		return { state: 'warning', text: 'starts, and there is no model to serve' }
	const startedAt = performance.now()
	using lease = await runtime.catalog.acquire(served[0]!.id)
	const vector = await lease.embed([0])
	if (!vector.every(Number.isFinite))
		return { state: 'bad', text: `${lease.id} computes no numbers` }
	const ms = Math.round(performance.now() - startedAt)
	const damaged = unserved.length === 0 ? '' : `; ${unserved.length} cannot be served: alpha list`
	const text = `${lease.id} loads and computes in ${ms} ms; ${served.length} models${damaged}`
	return { state: unserved.length === 0 ? 'good' : 'warning', text }
}

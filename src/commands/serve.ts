import { mkdirSync } from 'node:fs'
import type { CheckpointLocation } from '../checkpoint/load/messages.ts'
import { errorCode, messageOf } from '../lib/errors.ts'
import { createLog, type Log } from '../lib/log.ts'
import type { Mirror } from '../remote/mirror.ts'
import { TrainingRuns } from '../runs/training-runs.ts'
import { createApp } from '../server/app.ts'
import { Connections } from '../server/connections.ts'
import { defaultLimits, type ServerDeps } from '../server/deps.ts'
import { listen } from '../server/listen.ts'
import { ReadinessWatchers } from '../server/readiness-watchers.ts'
import { stageExport } from '../upload/staged-export.ts'
import type { StagedRun } from '../upload/staging.ts'
import { UploadReceiver } from '../upload/upload.ts'
import { type Command, type CommandContext, CommandError, exitStatus } from './command.ts'
import { descriptorLimit, ownHosts, readMachine } from './machine.ts'
import { createMirror, localDirectory } from './object-store.ts'
import { type Runtime, startRuntime } from './runtime.ts'
import { type BannerFacts, bannerFields, formatBanner } from './serving/banner.ts'
import {
	type Certificate,
	CertificateWatch,
	certificateFiles,
	readCertificate,
} from './serving/certificate.ts'
import { DescriptorReserve } from './serving/descriptor-reserve.ts'
import { collectWhenIdle } from './serving/idle-collection.ts'
import { Listener, type ListenerOptions } from './serving/listener.ts'
import { boundSendBuffers, findAcceptance } from './serving/listening-sockets.ts'
import { LogOutput } from './serving/log-output.ts'
import { memoryBudgets } from './serving/memory-budgets.ts'
import { smallHeap } from './serving/small-heap.ts'
import { SpanExporter } from './serving/span-exporter.ts'
import { inheritedSocket, Supervisor } from './serving/supervisor.ts'
import {
	type Config,
	type ConfigOrigins,
	parseConfig,
	printConfigOption,
	serveOptions,
} from './settings/config.ts'
import { UsageError } from './settings/option.ts'
import { formatSettings } from './settings/print-config.ts'

/** Time for the last bytes of streams that are cut at the drain deadline to leave. */
const FAREWELL_MS = 250

/** Time between two looks at whether the server is idle. */
const IDLE_LOOK_MS = 15_000

const LOOPBACK = /^(localhost|127\.|::1$)/

function serveCommandOptions() {
	return { ...serveOptions(readMachine()), printConfig: printConfigOption }
}

export const serveCommand: Command = {
	name: 'serve',
	usage: '[OPTIONS]',
	summary: 'serve the models over HTTP',
	options: serveCommandOptions,
	async run(context) {
		const machine = readMachine()
		const variables = smallHeap(machine.memoryBytes, context.env)
		// Before settings are read: those in a pipe can be read once.
		if (variables !== null) await context.restart(variables)
		const {
			values: config,
			origins,
			positionals,
			warnings,
		} = parseConfig(context, machine, ownHosts())
		if (positionals.length > 0) throw new UsageError(`unexpected argument "${positionals[0]}"`)
		if (config.printConfig) {
			for (const warning of warnings) context.warn(`alpha: ${warning}\n`)
			context.print(formatSettings(serveOptions(machine), config, origins))
			return 0
		}
		const format = logFormat(config, context)
		using output = new LogOutput({
			write: context.warn,
			lost: (lines) => log('warn', `${lines} lines of the log were lost: nobody read them`),
		})
		const log: Log = createLog(format, (line, level) => output.write(line, level))
		for (const warning of warnings) log('warn', warning)
		const local = { ...config, checkpoints: localDirectory(config), isaOrigin: origins.isa }
		if (config.uploadSecret !== null) makeCheckpointsDirectory(local.checkpoints, log)
		await using runtime = await startRuntime(local, context, log)
		const trainings = new TrainingRuns({ store: runtime.store, log })
		const { receiver, mirror } = openUploads(config, runtime, trainings, context, origins, log)
		const mirrored = mirror?.start()

		let isStarted = false
		let isDraining = false
		await using exporter = spanExporter(config, context, log)
		const watchers = new ReadinessWatchers()
		const files = certificateFiles(config, origins)
		const certificate = files === null ? null : readCertificate(files)
		const listener = startServer(config, runtime, trainings, {
			receiver,
			mirror,
			version: context.version,
			log,
			isStarted: () => isStarted,
			isDraining: () => isDraining,
			readinessWatchers: watchers,
			origins,
			tracing: exporter && { exporter, share: config.traceShare },
			certificate,
			inherited: inheritedSocket(context.env, process.pid),
		})
		let reserve = guardConnections(log)
		using renewals = new DisposableStack()
		if (files !== null && certificate !== null) {
			const replace = (renewed: Certificate) => {
				listener.replaceCertificate(renewed)
				reserve?.[Symbol.dispose]()
				reserve = guardConnections(log)
			}
			renewals.use(new CertificateWatch({ files, certificate, replace, log }))
		}
		using _collection = collectWhenIdle(IDLE_LOOK_MS)
		using supervisor = new Supervisor(context.env, process.pid)
		const { host, port } = listener.address
		const scheme = certificate === null ? 'http' : 'https'
		const url = `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`
		const ended = Promise.race([context.stopRequested.then(() => null), runtime.engine.failed])
		const loadFirst = async () => {
			// Nobody is kept waiting by an object store, but for models that must be there.
			if (config.preload.length > 0) await mirrored
			await preload(config.preload, runtime, origins)
		}
		// Probes are answered meanwhile, and so is whoever asks already.
		try {
			isStarted = await Promise.race([loadFirst().then(() => true), ended.then(() => false)])
		} catch (error) {
			trainings.close()
			await drain(listener, runtime, 0)
			throw error
		}
		if (isStarted) {
			announce({ ...config, host }, origins, runtime, url, context, log)
			supervisor.ready(`listening on ${url}`)
		}

		const failure = await ended
		isDraining = true
		supervisor.stopping()
		renewals.dispose()
		mirror?.close()
		reserve?.[Symbol.dispose]()
		// Those who watch would watch for ever.
		trainings.close()
		if (failure) {
			log('error', `${failure.message}; a supervisor should start alpha again`)
			await drain(listener, runtime, 0)
			return 1
		}
		const { drainDelaySeconds } = config
		const noticeMs = watchers.noticeMs(performance.now())
		await Bun.sleep(drainDelaySeconds === null ? noticeMs : drainDelaySeconds * 1000)
		log('info', `stopping: running streams have ${config.drainSeconds} s to finish`)
		await drain(listener, runtime, config.drainSeconds * 1000)
		return 0
	},
}

/** Now or never: one that goes while the server runs may be a mount, below whose mount point nothing must be written. */
function makeCheckpointsDirectory(path: string, log: Log): void {
	try {
		mkdirSync(path, { recursive: true })
	} catch (error) {
		log('warn', `the checkpoints directory ${path} cannot be made (${errorCode(error)})`)
	}
}

/** Loads models, one after another. Throws CommandError that names the setting. */
async function preload(
	names: readonly string[],
	{ catalog }: Runtime,
	origins: ConfigOrigins,
): Promise<void> {
	try {
		for (const name of names) {
			const lease = await catalog.acquire(name)
			lease[Symbol.dispose]()
		}
	} catch (error) {
		throw new CommandError(1, `${origins.preload}: ${messageOf(error)}`, { cause: error })
	}
}

/** Null unless there is a collector. */
function spanExporter(
	{ otlpEndpoint: endpoint, otlpHeaders: headers, serviceName }: Config,
	{ version }: CommandContext,
	log: Log,
): SpanExporter | null {
	return endpoint === null
		? null
		: new SpanExporter({ endpoint, headers, serviceName, version, log })
}

/** Text for people, JSON for collectors. */
function logFormat({ logFormat: asked }: Config, { isErrorTerminal }: CommandContext) {
	if (asked !== 'auto') return asked
	return isErrorTerminal ? 'text' : 'json'
}

/** Sees to it that connections take neither much memory for what they do not read nor all descriptors. */
function guardConnections(log: Log): DescriptorReserve | null {
	const acceptance = findAcceptance()
	if (!boundSendBuffers() || acceptance === null) {
		log(
			'warn',
			'the system does not tell of sockets: unread answers and many connections take more',
		)
	}
	if (acceptance === null) return null
	const reserve = new DescriptorReserve({ acceptance, log, limit: descriptorLimit() ?? 0 })
	reserve.watch()
	return reserve
}

/** What takes uploads, and what keeps runs the same as an object store's, where there is one. */
function openUploads(
	config: Config,
	{ loader, store }: Runtime,
	trainings: TrainingRuns,
	sources: Pick<CommandContext, 'env' | 'readFile'>,
	origins: ConfigOrigins,
	log: Log,
): { readonly receiver: UploadReceiver; readonly mirror: Mirror | null } {
	const verify = (location: CheckpointLocation) => loader.verify({ location, dtype: config.dtype })
	const commit = (name: string, staged: StagedRun, move: () => Promise<void>) =>
		trainings.aroundCommit(name, staged, move)
	const receiver = new UploadReceiver({
		store,
		verify,
		allowsPickles: config.allowsPickleUploads,
		bytesMax: config.uploadBytesMax,
		inflatedBytesMax: config.uploadInflatedBytesMax,
		commit: (name, staged, move) =>
			mirror === null ? commit(name, staged, move) : mirror.publish(name, staged, move),
		log,
	})
	const mirror = createMirror(config, origins, sources, {
		store,
		verify,
		commit,
		exclusively: (name, work) => receiver.exclusively(name, work),
		remove: (name) => receiver.exclusively(name, () => trainings.remove(name)),
		log,
	})
	return { receiver, mirror }
}

/** Takes a run out of service: here, and in the object store where there is one. */
async function removeRun(
	name: string,
	receiver: UploadReceiver,
	mirror: Mirror | null,
	trainings: TrainingRuns,
): Promise<void> {
	await receiver.exclusively(name, async () => {
		await mirror?.remove(name)
		await trainings.remove(name)
	})
}

function startServer(
	config: Config,
	{ catalog, engine, loader, store, isaName }: Runtime,
	trainings: TrainingRuns,
	{
		origins,
		receiver,
		mirror,
		certificate,
		inherited,
		...facts
	}: Pick<
		ServerDeps,
		'version' | 'log' | 'isStarted' | 'isDraining' | 'readinessWatchers' | 'tracing'
	> &
		Pick<ListenerOptions, 'certificate' | 'inherited'> & {
			readonly origins: ConfigOrigins
			readonly receiver: UploadReceiver
			readonly mirror: Mirror | null
		},
): Listener {
	const connections = new Connections({
		stallSeconds: defaultLimits.stallSeconds,
		idleSeconds: config.idleSeconds,
	})
	const budgets = memoryBudgets(readMachine().memoryBytes)
	const app = createApp({
		catalog,
		engineStats: () => engine.stats,
		refusalFor: (client) => engine.refusalFor(client),
		uploads: {
			secret: config.uploadSecret,
			receive: (upload) => receiver.receive(upload),
			receivePiece: (upload) => receiver.receivePiece(upload),
			assemble: (upload) => receiver.assemble(upload),
			remove: (name) => removeRun(name, receiver, mirror, trainings),
		},
		exports: {
			write: (name, signal) => stageExport({ catalog, loader, store }, name, signal),
		},
		storeState: () => mirror?.state ?? null,
		trainings,
		directory: store.directory,
		apiKeys: config.apiKeys,
		trustedProxies: config.trustedProxies,
		sharesCache: config.sharesCache,
		limits: {
			...defaultLimits,
			bodiesBytesMax: budgets.bodiesBytes,
			answersBytesMax: budgets.answersBytes,
			answerWaitMsMax: config.queueSeconds * 1000,
			reportsBytesMax: budgets.reportsBytes,
			choicesMax: config.sequencesMax + config.queueLengthMax,
		},
		isaName,
		connections,
		...facts,
	})
	try {
		return new Listener({
			serve: ({ host, port }, tls) =>
				listen(app, { host, port, tls, idleSeconds: config.idleSeconds, connections }),
			address: config,
			inherited,
			certificate,
		})
	} catch (error) {
		throw new CommandError(exitStatus.unavailable, listenComplaint(error, config, origins))
	}
}

/** Why it cannot listen, by the setting that is at fault. */
function listenComplaint(error: unknown, { host, port }: Config, origins: ConfigOrigins): string {
	const problem = `cannot listen on ${host} port ${port}`
	// Bun tells of hosts that it cannot find, too, that they are in use.
	if (!ownHosts().includes(host) && !LOOPBACK.test(host)) {
		const advice = 'choose one with --host or ALPHA_HOST'
		return `${origins.host}: ${problem}: the host is no address of this machine; ${advice}`
	}
	const advice = 'choose a port with --port or ALPHA_PORT, 0 for any free one'
	const reasons: Record<string, string> = {
		EADDRINUSE: `another program listens there; ${advice}`,
		EACCES: `this user may not listen there; ${advice}`,
	}
	return `${origins.port}: ${problem}: ${reasons[errorCode(error)] ?? messageOf(error)}`
}

/** The one line that scripts wait for goes to standard output; the rest is for people, or for the log's collector. */
function announce(
	config: Config,
	origins: ConfigOrigins,
	runtime: Runtime,
	url: string,
	context: CommandContext,
	log: Log,
): void {
	const { version, print, warn } = context
	print(`listening on ${url}\n`)
	void runtime.catalog.lookFor().then(() => {
		const facts: BannerFacts = {
			version,
			url,
			isaName: runtime.isaName,
			threads: config.threads,
			dtype: config.dtype,
			memoryBytesMax: config.modelMemoryBytes,
			checkpoints: config.checkpoints,
			served: runtime.catalog.list(),
			unserved: runtime.catalog.listUnserved(),
			acceptsUploads: config.uploadSecret !== null,
			isOpenToAll: !LOOPBACK.test(config.host) && config.apiKeys.length === 0,
			isHiddenFromPlatform: origins.port === 'PORT' && LOOPBACK.test(config.host),
		}
		if (logFormat(config, context) === 'text') warn(formatBanner(facts))
		else log('info', 'serving', bannerFields(facts))
	})
}

/** Takes no new connections, lets streams finish, then ends those that are left with an error. */
async function drain(listener: Listener, { engine }: Runtime, deadlineMs: number): Promise<void> {
	const finished = listener.stop()
	const isFinished = await Promise.race([
		finished.then(() => true),
		Bun.sleep(deadlineMs).then(() => false),
	])
	if (isFinished) return
	engine.close()
	await Promise.race([finished, Bun.sleep(FAREWELL_MS)])
	await listener.stop(true)
}

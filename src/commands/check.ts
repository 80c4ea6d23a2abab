import { stat } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import type { CheckpointInfo } from '../checkpoint/load/checkpoint-info.ts'
import { Loader } from '../checkpoint/load/loader.ts'
import type { CheckpointLocation } from '../checkpoint/load/messages.ts'
import { locationOf } from '../checkpoint/store/checkpoint-version.ts'
import { RunReader } from '../checkpoint/store/run-directory.ts'
import { errorCode, messageOf } from '../lib/errors.ts'
import type { DtypeChoice } from '../model/model-config.ts'
import { printable } from './client/server-client.ts'
import { type Command, type CommandContext, exitStatus } from './command.ts'
import { readMachine } from './machine.ts'
import { isStoreUrl, localDirectory } from './object-store.ts'
import { kernelLibraryPath } from './packaged-files.ts'
import { serveOptions } from './settings/config.ts'
import { UsageError } from './settings/option.ts'
import { parseOptions } from './settings/options.ts'

function checkOptions() {
	const { config, checkpoints, checkpointCache, dtype } = serveOptions(readMachine())
	return { config, checkpoints, checkpointCache, dtype }
}

/** Something to load, under the path that its line begins with, or why there is nothing. */
interface Subject {
	readonly path: string
	readonly found: CheckpointLocation | string
	/** Nothing of it can be read: nothing is known of it. */
	readonly isUnreadable?: boolean
}

export const checkCommand: Command = {
	name: 'check',
	usage: 'PATH…',
	completes: ['file'],
	summary: 'verify checkpoints, runs and model directories to their last number',
	options: checkOptions,
	async run(context) {
		const { values, positionals } = parseOptions(checkOptions(), context)
		if (positionals.length === 0) throw new UsageError('expected PATH: alpha check PATH…')
		const given = positionals.find(isStoreUrl)
		if (given !== undefined) {
			const advice = 'alpha show MODEL --checkpoints s3://… brings a run and verifies it'
			throw new UsageError(`expected a path of this machine, got ${given}: ${advice}`)
		}
		const libraryPath = kernelLibraryPath({ env: context.env, checkpoints: localDirectory(values) })
		const loader = new Loader({ spawn: context.spawnLoaderWorker, libraryPath, isa: '' })
		try {
			return await checkAll(positionals, loader, values.dtype, context)
		} finally {
			loader.close()
		}
	},
}

async function checkAll(
	paths: readonly string[],
	loader: Loader,
	dtype: DtypeChoice,
	{ print, stopRequested }: CommandContext,
): Promise<number> {
	let stopStatus = 0
	void stopRequested.then((status) => {
		stopStatus = status
		loader.close()
	})
	let status = 0
	for (const given of paths) {
		for (const { path, found, isUnreadable = false } of await subjectsOf(given)) {
			const line = await verdictOn(found, loader, dtype)
			if (stopStatus !== 0) return stopStatus
			// A checkpoint that is refused tells more than a path that is not there.
			if (line.isRefused) status = isUnreadable ? status || exitStatus.unreadable : 1
			print(`${printable(`${path}: ${line.text}`)}\n`)
		}
	}
	return status
}

async function verdictOn(
	found: Subject['found'],
	loader: Loader,
	dtype: DtypeChoice,
): Promise<{ text: string; isRefused: boolean }> {
	if (typeof found === 'string') return { text: `refused: ${found}`, isRefused: true }
	try {
		return { text: describe(await loader.verify({ location: found, dtype })), isRefused: false }
	} catch (error) {
		return { text: `refused: ${messageOf(error)}`, isRefused: true }
	}
}

function describe({ form, config, tokenizer, step, parameterCount }: CheckpointInfo): string {
	return [
		`${form} ${config.family}`,
		`${parameterCount} parameters`,
		`context ${config.contextLength}`,
		`${tokenizer.type} tokenizer of ${tokenizer.vocabSize} entries${tokenizer.hasChatTemplate ? ' with a chat template' : ''}`,
		...(step === null ? [] : [`step ${step}`]),
	].join(', ')
}

/** A file is one checkpoint; a directory has those that a server would find in it. */
async function subjectsOf(given: string): Promise<readonly Subject[]> {
	const path = resolve(given)
	const state = await stat(path).catch((error: unknown) => errorCode(error))
	if (typeof state === 'string') {
		const found = state === 'ENOENT' ? 'no such file or directory' : `it cannot be read: ${state}`
		return [{ path: given, found, isUnreadable: true }]
	}
	if (!state.isDirectory()) return [{ path: given, found: { type: 'file', path } }]
	const directory = await new RunReader(dirname(path), basename(path)).read(true)
	if (directory === null) return [{ path: given, found: 'expected a checkpoint in it, got none' }]
	const { config, checkpoints, strangers, unreadable } = directory
	const faults = [...strangers, ...unreadable]
	if (typeof config === 'string') faults.push(config)
	if (config === null) faults.push('expected config.json, got none')
	if (checkpoints.length === 0 && faults.length === 0) {
		faults.push('expected a checkpoint in it, got none')
	}
	return [
		...faults.map((reason): Subject => ({ path: given, found: reason })),
		...checkpoints.map((version): Subject => {
			return {
				path: join(given, relative(path, version.path)),
				found: version.fault?.reason ?? locationOf(version),
			}
		}),
	]
}

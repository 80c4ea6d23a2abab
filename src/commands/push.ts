import { basename, resolve } from 'node:path'
import { lookAt } from '../checkpoint/store/files.ts'
import { CONFIG_NAME, TRAINING_LOG_NAME } from '../checkpoint/store/names.ts'
import { isFault } from '../lib/fault.ts'
import { findCheckpoint } from './client/upload-client.ts'
import { type Command, CommandError, exitStatus } from './command.ts'
import { isStoreUrl, openRemoteRuns } from './object-store.ts'
import { UsageError } from './settings/option.ts'
import { integerOption, textOption } from './settings/option-kinds.ts'
import { parseOptions } from './settings/options.ts'

const pushOptions = {
	to: textOption({
		flag: '--to',
		placeholder: 'URL',
		defaultValue: null,
		help: "the store, s3://BUCKET[/PREFIX]; keys and endpoint as AWS's tools have them",
	}),
	name: textOption({
		flag: '--name',
		placeholder: 'NAME',
		defaultValue: null,
		defaultText: 'name of the directory',
		help: 'model id on the servers',
	}),
	step: integerOption({
		flag: '--step',
		min: 0,
		max: Number.MAX_SAFE_INTEGER,
		defaultValue: null,
		defaultText: 'the highest',
		help: 'checkpoint to publish',
	}),
}

export const pushCommand: Command = {
	name: 'push',
	usage: 'RUN_DIR --to s3://BUCKET[/PREFIX]',
	summary: 'publish a run in an object store, for all servers that serve from there',
	completes: ['file'],
	options: () => pushOptions,
	async run(context) {
		const { values, positionals } = parseOptions(pushOptions, context)
		const [given, ...rest] = positionals
		const { to } = values
		if (given === undefined || rest.length > 0 || to === null || !isStoreUrl(to)) {
			throw new UsageError(
				'expected a run directory and a store: alpha push RUN_DIR --to s3://BUCKET',
			)
		}
		const directory = resolve(given)
		const name = values.name ?? basename(directory)
		const version = await findCheckpoint(directory, values.step ?? undefined)
		const checkpoint = basename(version.path)
		const extras = version.files === null ? [CONFIG_NAME, TRAINING_LOG_NAME] : [TRAINING_LOG_NAME]
		const paths = [checkpoint]
		for (const file of extras) {
			if ((await lookAt(`${directory}/${file}`)).type === 'file') paths.push(file)
		}
		try {
			const runs = openRemoteRuns(to, '--to', context)
			const { head, isServed } = await runs.publish(name, directory, paths)
			context.print(
				isServed
					? `${name} step ${head.step} is published, digest ${head.digest}\n`
					: `${name} goes on with step ${head.step}, which is higher\n`,
			)
			return 0
		} catch (error) {
			if (!isFault(error, 'overloaded', 'conflict', 'invalid')) throw error
			const status = isFault(error, 'overloaded') ? exitStatus.unavailable : 1
			throw new CommandError(status, error.message)
		}
	},
}

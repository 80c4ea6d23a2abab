/*
 * The files of another trainer's model, which have come one by one, into a staged directory: it will be
 * a step of its run.
 */
import { constants } from 'node:fs'
import { copyFile, link, open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { CheckpointLocation } from '../checkpoint/load/messages.ts'
import { namesIn, syncDirectory } from '../checkpoint/store/files.ts'
import { findModelFiles, findSingleModel, findStepModels } from '../checkpoint/store/model-files.ts'
import { stepOfName, TRAINER_STATE_NAME } from '../checkpoint/store/names.ts'
import { readTrainerState } from '../checkpoint/store/trainer-state.ts'
import { errorCode } from '../lib/errors.ts'
import { Fault } from '../lib/fault.ts'
import { invalidValue } from '../wire/errors.ts'

/** Name of the staged directory until its step is known. */
export const STAGED_MODEL = 'model'

/** Until somebody has removed what stands in the way. */
const REPAIR_SECONDS = 60

/** Where there are no hard links, files are copied. */
const NO_LINKS = ['EPERM', 'EOPNOTSUPP', 'ENOTSUP', 'ENOSYS', 'EXDEV', 'EMLINK']

/** Files that are read as pickles. */
const PICKLE_NAME = /\.(?:pt|pth|pkl)$|^pytorch_model.*\.bin$/

export function isPickle(file: string): boolean {
	return PICKLE_NAME.test(file)
}

/** Checks that these files are those of one model. Throws ApiError 400. */
export function checkModelFiles(names: readonly string[]): void {
	const model = findSingleModel(names)
	if (model === null) {
		throw invalidValue('files', 'weights of a model among them', names.join(', '))
	}
	const wanted = new Set([...model.weights, ...model.others, TRAINER_STATE_NAME])
	const surplus = names.filter((name) => !wanted.has(name))
	if (surplus.length > 0) {
		throw invalidValue('files', 'nothing but the files of one model', surplus.join(', '))
	}
}

/** Where the loader finds the model that lies in `path`. */
export async function locateModel(path: string): Promise<CheckpointLocation> {
	const model = findSingleModel(await readdir(path))
	const names = model === null ? [] : [...model.weights, ...model.others]
	return { type: 'directory', path, files: names.map((name) => ({ name })) }
}

/** The step that Trainer tells of the model in `path`; undefined where it does not. */
export async function stepToldIn(path: string): Promise<number | undefined> {
	return (await readTrainerState(path, null))?.globalStep
}

/** Gives a file that is on disk a second name. */
export async function adoptFile(from: string, to: string): Promise<void> {
	try {
		await link(from, to)
	} catch (error) {
		if (!NO_LINKS.includes(errorCode(error))) throw error
		await copyFile(from, to, constants.COPYFILE_EXCL)
		await using file = await open(to, 'r')
		await file.sync()
	}
	await syncDirectory(join(to, '..'))
}

/**
 * Checks that what a run holds does not hide what is to be stored there: our checkpoints and models of
 * others are not served side by side, and a model in the run's directory itself, which no upload puts
 * there, stands for a step of its own. Throws Fault `conflict`.
 */
export async function expectFittingRun(
	root: string,
	name: string,
	kind: 'checkpoint' | 'model',
): Promise<void> {
	const path = join(root, name)
	const names = await namesIn(path)
	const holdsCheckpoints = names.some((each) => stepOfName(each) !== undefined)
	const holdsModel = findModelFiles(names) !== null
	const holdsSteps = !holdsCheckpoints && (await findStepModels(path, names)).length > 0
	const found =
		kind === 'model'
			? (holdsCheckpoints && 'checkpoints of another form') ||
				(holdsModel && 'a model that was copied into the directory itself')
			: !holdsCheckpoints && (holdsModel || holdsSteps) && 'models of another trainer'
	if (found === false) return
	const message = `The run '${name}' holds ${found}: choose another name, or remove them first.`
	throw new Fault('conflict', message, { retrySeconds: REPAIR_SECONDS })
}

/* What a release is made of: one commit of this repository. */
import { join } from 'node:path'
import packageJson from '../../package.json'
import { runCommand } from './command.ts'

export const root = join(import.meta.dir, '../..')

export interface Source {
	/** Of package.json. */
	readonly version: string
	/** Hex, whole. */
	readonly commit: string
	/** Of the commit, in seconds since 1970: the time that every file of the release has. */
	readonly epoch: number
	/** What this version's section of CHANGELOG.md says. */
	readonly notes: string
}

/** Throws where something is not committed, or where the changelog says nothing of this version. */
export async function readSource(): Promise<Source> {
	const git = (...args: string[]) => runCommand(['git', ...args], { cwd: root })
	const changes = (await git('status', '--porcelain')).trim()
	if (changes !== '')
		throw new Error(`a release is made of a commit, but there are changes:\n${changes}`)
	const [commit = '', epoch = ''] = (await git('log', '-1', '--format=%H %ct')).trim().split(' ')
	const { version } = packageJson
	const changelog = await Bun.file(join(root, 'deploy/CHANGELOG.md')).text()
	return { version, commit, epoch: Number(epoch), notes: notesOf(version, changelog) }
}

/** The section of a version. Throws when there is none, or an empty one. */
export function notesOf(version: string, changelog: string): string {
	const sections = changelog.split(/^## /m).slice(1)
	const section = sections.find((text) => text.split('\n', 1)[0] === version)
	const notes = section?.slice(version.length).trim() ?? ''
	if (notes === '')
		throw new Error(`deploy/CHANGELOG.md: expected a section "## ${version}" with text`)
	return notes
}

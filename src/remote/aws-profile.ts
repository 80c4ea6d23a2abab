/* What AWS's tools are told by files: profiles in `~/.aws/credentials` and `~/.aws/config`. */
import { join } from 'node:path'
import { errorCode, messageOf } from '../lib/errors.ts'
import { ObjectStoreError } from './bucket.ts'

export type Env = Readonly<Record<string, string | undefined>>

export interface Profile {
	readonly name: string
	/** `region`, `aws_access_key_id`, …; what stands in the file of credentials counts first. */
	readonly values: Readonly<Record<string, string>>
}

/**
 * The profile that AWS_PROFILE names, or the one called default, which may be empty. Throws
 * ObjectStoreError for a profile that is named and not there, and for files that cannot be read.
 */
export function readProfile(env: Env, readFile: (path: string) => string): Profile {
	const chosen = env['AWS_PROFILE'] || env['AWS_DEFAULT_PROFILE']
	const name = chosen || 'default'
	const section = (file: AwsFile, title: string) =>
		parseSections(textOf(file, env, readFile)).get(title)
	const config = section('config', name === 'default' ? name : `profile ${name}`)
	const credentials = section('credentials', name)
	if (chosen && config === undefined && credentials === undefined) {
		const files = `${pathOf('credentials', env)} or ${pathOf('config', env)}`
		throw new ObjectStoreError(`AWS_PROFILE: expected a profile of ${files}, got "${chosen}"`)
	}
	return { name, values: { ...config, ...credentials } }
}

type AwsFile = 'config' | 'credentials'

const FILE_VARIABLES: Readonly<Record<AwsFile, string>> = {
	config: 'AWS_CONFIG_FILE',
	credentials: 'AWS_SHARED_CREDENTIALS_FILE',
}

function pathOf(file: AwsFile, env: Env): string {
	const home = env['HOME'] || env['USERPROFILE'] || ''
	return env[FILE_VARIABLES[file]] || join(home, '.aws', file)
}

/** A file that nobody has named need not be there. */
function textOf(file: AwsFile, env: Env, readFile: (path: string) => string): string {
	try {
		return readFile(pathOf(file, env))
	} catch (error) {
		const isNamed = Boolean(env[FILE_VARIABLES[file]])
		if (!isNamed && ['ENOENT', 'ENOTDIR'].includes(errorCode(error))) return ''
		const source = isNamed ? FILE_VARIABLES[file] : pathOf(file, env)
		throw new ObjectStoreError(`${source}: ${messageOf(error)}`)
	}
}

function parseSections(text: string): Map<string, Record<string, string>> {
	const sections = new Map<string, Record<string, string>>()
	let values: Record<string, string> = {}
	for (const line of text.split(/\r?\n/)) {
		// What is indented belongs to a setting that has settings of its own.
		if (/^\s/.test(line) || /^[#;]/.test(line)) continue
		const [, title] = /^\[\s*(.*?)\s*\]/.exec(line) ?? []
		if (title !== undefined) {
			const key = title.replace(/\s+/, ' ').replaceAll(/["']/g, '')
			values = sections.get(key) ?? {}
			sections.set(key, values)
			continue
		}
		const [, name, value = ''] = /^([^=\s]+)\s*=\s*(.*?)\s*$/.exec(line) ?? []
		if (name !== undefined) values[name.toLowerCase()] = value
	}
	return sections
}

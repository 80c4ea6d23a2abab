/** Where keys come from, as AWS's own tools have it, and how they are renewed. */
import { describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CredentialSource, wordsOf } from '../../src/remote/credentials.ts'
import { ObjectStore } from '../../src/remote/object-store.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { startS3Stub } from './s3-stub.ts'

type Env = Readonly<Record<string, string>>

/** A home with the two files of AWS's tools, given as text. */
function home({ config = '', credentials = '' }: { config?: string; credentials?: string }) {
	const temp = tempDir()
	const paths = { config: join(temp.path, 'config'), credentials: join(temp.path, 'credentials') }
	writeFileSync(paths.config, config)
	writeFileSync(paths.credentials, credentials)
	return {
		path: temp.path,
		paths,
		env: { AWS_CONFIG_FILE: paths.config, AWS_SHARED_CREDENTIALS_FILE: paths.credentials },
		[Symbol.dispose]: () => temp[Symbol.dispose](),
	}
}

function open(env: Env, now?: () => number): CredentialSource {
	const readFile = (path: string) => readFileSync(path, 'utf8')
	return new CredentialSource({ env, readFile, ...(now && { now }) })
}

const PROFILES = `# of a person
[default]
aws_access_key_id = default-id
aws_secret_access_key=default-secret

[ team ]
aws_access_key_id = team-id
aws_secret_access_key = team=secret
aws_session_token = team-token
`

describe('keys', () => {
	test('come from variables before any file, with the session token', async () => {
		using at = home({ credentials: PROFILES })
		const keys = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret' }
		expect(await open({ ...at.env, ...keys, AWS_SESSION_TOKEN: 'token' }).get()).toEqual({
			accessKeyId: 'id',
			secretAccessKey: 'secret',
			sessionToken: 'token',
		})
	})

	test('come from the default profile, or from the one that AWS_PROFILE names', async () => {
		using at = home({ credentials: PROFILES })
		expect(await open(at.env).get()).toMatchObject({
			accessKeyId: 'default-id',
			sessionToken: null,
		})
		expect(await open({ ...at.env, AWS_PROFILE: 'team' }).get()).toEqual({
			accessKeyId: 'team-id',
			secretAccessKey: 'team=secret',
			sessionToken: 'team-token',
		})
	})

	test('may stand in the config file, whose sections are called otherwise', async () => {
		const config = `[profile team]
s3 =
  addressing_style = path
  aws_access_key_id = nested
aws_access_key_id = config-id
aws_secret_access_key = config-secret
`
		using at = home({ config })
		const source = open({ ...at.env, AWS_PROFILE: 'team' })
		expect(await source.get()).toMatchObject({ accessKeyId: 'config-id' })
	})

	test('of a file are read again after a minute', async () => {
		using at = home({ credentials: PROFILES })
		let now = 0
		const source = open(at.env, () => now)
		await source.get()
		writeFileSync(at.paths.credentials, PROFILES.replaceAll('default-', 'renewed-'))
		now = 59_000
		expect(await source.get()).toMatchObject({ accessKeyId: 'default-id' })
		now = 60_000
		expect(await source.get()).toMatchObject({ accessKeyId: 'renewed-id' })
	})

	test.each<[string, Env, string, string]>([
		['nothing', {}, '', 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE'],
		['half a pair', { AWS_ACCESS_KEY_ID: 'id' }, '', 'expected AWS_SECRET_ACCESS_KEY too'],
		['an unknown profile', { AWS_PROFILE: 'nobody' }, PROFILES, 'got "nobody"'],
		[
			'a role',
			{},
			'[default]\nrole_arn = arn:x\n',
			'got role_arn: a credential_process can follow it',
		],
		['an open quote', {}, '[default]\ncredential_process = "x\n', 'expected a command line'],
	])('that are %s are refused at once with a sentence', (_what, env, credentials, told) => {
		using at = home({ credentials })
		expect(() => open({ ...at.env, ...env })).toThrow(told)
	})

	test('in a file that is named and not there are missed by its variable', () => {
		expect(() => open({ AWS_SHARED_CREDENTIALS_FILE: '/nonexistent/keys' })).toThrow(
			/^AWS_SHARED_CREDENTIALS_FILE: .*ENOENT/,
		)
	})

	test('go into requests, with region and endpoint of the profile', async () => {
		await using stub = startS3Stub()
		const config = `[profile team]\nregion = eu-north-1\nendpoint_url = ${stub.env['AWS_ENDPOINT_URL']}\n`
		using at = home({ credentials: PROFILES, config })
		const env = { ...at.env, AWS_PROFILE: 'team' }
		await new ObjectStore({ url: 's3://models', env }).directories('runs/')
		const headers = stub.lastHeaders()
		expect(headers.get('authorization')).toMatch(
			/Credential=team-id\/\d{8}\/eu-north-1\/s3\/aws4_request, .*x-amz-security-token/,
		)
		expect(headers.get('x-amz-security-token')).toBe('team-token')
	})
})

describe('a credential_process', () => {
	/** A profile whose program writes what `answer.json` holds, a line to `calls`, and ends with `status`. */
	function program(answer: string, status = 0) {
		const at = home({})
		const script = join(at.path, 'tell keys.ts')
		const calls = join(at.path, 'calls')
		const answerPath = join(at.path, 'answer.json')
		writeFileSync(calls, '')
		writeFileSync(answerPath, answer)
		writeFileSync(
			script,
			`import { appendFileSync, readFileSync } from 'node:fs'
appendFileSync(${JSON.stringify(calls)}, process.argv[2] + '\\n')
process.stdout.write(readFileSync(${JSON.stringify(answerPath)}, 'utf8'))
console.error('a-secret-word')
process.exit(${status})`,
		)
		const line = `"${process.execPath}" "${script}" 'for alpha'`
		writeFileSync(at.paths.config, `[default]\ncredential_process = ${line}\n`)
		return {
			...at,
			calls: () => readFileSync(calls, 'utf8').split('\n').filter(Boolean),
			answer: (text: string) => writeFileSync(answerPath, text),
		}
	}

	function told(accessKeyId: string, expiresAtMs?: number): string {
		return JSON.stringify({
			...{ Version: 1, AccessKeyId: accessKeyId, SecretAccessKey: 's', SessionToken: 't' },
			...(expiresAtMs === undefined ? {} : { Expiration: new Date(expiresAtMs).toISOString() }),
		})
	}

	const HOUR_MS = 3_600_000

	test('tells keys for a time and is asked again before they expire, once for all who wait', async () => {
		using at = program(told('first', HOUR_MS))
		let now = 0
		const source = open(at.env, () => now)
		const both = await Promise.all([source.get(), source.get()])
		expect(both[0]).toEqual({ accessKeyId: 'first', secretAccessKey: 's', sessionToken: 't' })
		expect(both[1]).toEqual(both[0])
		now = HOUR_MS - 301_000
		await source.get()
		expect(at.calls()).toEqual(['for alpha'])
		at.answer(told('second', 2 * HOUR_MS))
		now = HOUR_MS - 300_000
		expect(await source.get()).toMatchObject({ accessKeyId: 'second' })
		expect(at.calls()).toHaveLength(2)
	})

	test('that fails later leaves the keys in use until they expire', async () => {
		using at = program(told('first', HOUR_MS))
		let now = 0
		const source = open(at.env, () => now)
		await source.get()
		at.answer('nonsense')
		now = HOUR_MS - 1000
		expect(await source.get()).toMatchObject({ accessKeyId: 'first' })
		now = HOUR_MS
		await expect(source.get()).rejects.toThrow('expected a JSON object with Version 1')
	})

	test.each([
		['ends badly', told('x'), 3, 'got exit status 3'],
		['tells no JSON', 'keys', 0, 'expected a JSON object with Version 1'],
		['tells another version', '{"Version":2}', 0, 'expected a JSON object with Version 1'],
		['tells keys of yesterday', told('x', -1), 0, 'credentials that have expired'],
		['tells no time', told('x').replace('}', ',"Expiration":"soon"}'), 0, 'expected a time'],
	])('that %s is an error that repeats nothing of it', async (_what, answer, status, message) => {
		using at = program(answer, status)
		const failure = await open(at.env, () => 0)
			.get()
			.catch((error: unknown) => String(error))
		expect(failure).toContain('credential_process of profile default: ')
		expect(failure).toContain(message)
		expect(failure).not.toContain('a-secret-word')
	})

	test('that cannot be started is told without its path', async () => {
		using at = home({ config: '[default]\ncredential_process = /nonexistent/tool\n' })
		await expect(open(at.env).get()).rejects.toThrow(/it cannot be started \(ENOENT\)$/)
	})

	test('is given as words with quotes, as a shell would take them', () => {
		expect(wordsOf(`a "b c" 'd "e' f\\ g "h \\" i"j`)).toEqual([
			'a',
			'b c',
			'd "e',
			'f g',
			'h " ij',
		])
		expect(wordsOf('  ')).toEqual([])
		expect(wordsOf('a "b')).toBeNull()
	})
})

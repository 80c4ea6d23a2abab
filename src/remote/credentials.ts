/*
 * Who asks the store: keys from AWS's variables, else from a profile, which names them or a program that
 * tells them for a time.
 */
import { errorCode } from '../lib/errors.ts'
import { isRecord } from '../lib/json.ts'
import { type Env, type Profile, readProfile } from './aws-profile.ts'
import { ObjectStoreError } from './bucket.ts'
import type { Credentials } from './sign.ts'

export interface CredentialOptions {
	readonly env: Env
	readonly readFile: (path: string) => string
	/** Epoch milliseconds. */
	readonly now?: () => number
}

interface Kept {
	readonly credentials: Credentials
	/** Epoch milliseconds: from then on newer ones are asked for, and from then on these are none. */
	readonly refreshAt: number
	readonly expiresAt: number
}

/** Credentials of files are read again after so long: others may renew them. */
const REREAD_MS = 60_000
/** Those that expire are renewed so long before, or in the middle of a shorter life. */
const RENEW_EARLY_MS = 300_000
/** When they cannot be renewed, this is tried again after so long. */
const RETRY_MS = 5000
/** Until a `credential_process` has answered. */
const PROCESS_MS_MAX = 30_000
const PROCESS_BYTES_MAX = 2 ** 16

/** Settings of a profile that mean a way to credentials which is not taken here. */
const FOREIGN_WAYS = ['role_arn', 'sso_session', 'sso_start_url', 'web_identity_token_file']

const NOTHING_GIVEN =
	'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE to a profile with keys or a credential_process'

/** Credentials that are renewed before they expire. */
export class CredentialSource {
	readonly #options: CredentialOptions
	readonly #now: () => number
	#kept: Kept | null = null
	#renewal: Promise<Kept> | null = null

	/** Throws ObjectStoreError where there are none at all. */
	constructor(options: CredentialOptions) {
		this.#options = options
		this.#now = options.now ?? Date.now
		if (keysOf(options.env) !== null) return
		const profile = readProfile(options.env, options.readFile)
		if (keysOf(profile.values) === null) processOf(profile)
	}

	/** Throws ObjectStoreError. */
	async get(): Promise<Credentials> {
		const kept = this.#kept
		if (kept !== null && this.#now() < kept.refreshAt) return kept.credentials
		this.#renewal ??= this.#renew().finally(() => {
			this.#renewal = null
		})
		try {
			this.#kept = await this.#renewal
			return this.#kept.credentials
		} catch (error) {
			if (kept === null || this.#now() >= kept.expiresAt) throw error
			const refreshAt = Math.min(kept.expiresAt, this.#now() + RETRY_MS)
			this.#kept = { ...kept, refreshAt }
			return kept.credentials
		}
	}

	async #renew(): Promise<Kept> {
		const { env, readFile } = this.#options
		const forEver = Number.POSITIVE_INFINITY
		const given = keysOf(env)
		if (given !== null) return { credentials: given, refreshAt: forEver, expiresAt: forEver }
		const profile = readProfile(env, readFile)
		const named = keysOf(profile.values)
		if (named !== null) {
			return { credentials: named, refreshAt: this.#now() + REREAD_MS, expiresAt: forEver }
		}
		const source = `credential_process of profile ${profile.name}`
		return keptOf(await runProcess(source, processOf(profile), env), source, this.#now())
	}
}

/** Keys as variables or settings of a profile have them; null where there are none. Throws ObjectStoreError for half of a pair. */
function keysOf(values: Env): Credentials | null {
	const value = (name: string) => values[name.toUpperCase()] || values[name] || null
	const accessKeyId = value('aws_access_key_id')
	const secretAccessKey = value('aws_secret_access_key')
	if (accessKeyId === null && secretAccessKey === null) return null
	if (accessKeyId === null || secretAccessKey === null) {
		const missing = accessKeyId === null ? 'AWS_ACCESS_KEY_ID' : 'AWS_SECRET_ACCESS_KEY'
		throw new ObjectStoreError(`expected ${missing} too: keys come in pairs`)
	}
	return { accessKeyId, secretAccessKey, sessionToken: value('aws_session_token') }
}

/** The words of the program that tells credentials. Throws ObjectStoreError. */
function processOf({ name, values }: Profile): string[] {
	const line = values['credential_process']
	if (line !== undefined) {
		const words = wordsOf(line)
		if (words === null || words.length === 0) {
			throw new ObjectStoreError(`credential_process of profile ${name}: expected a command line`)
		}
		return words
	}
	const foreign = FOREIGN_WAYS.find((way) => way in values)
	if (foreign === undefined) throw new ObjectStoreError(NOTHING_GIVEN)
	throw new ObjectStoreError(
		`profile ${name}: expected keys or a credential_process, got ${foreign}: a credential_process can follow it`,
	)
}

/** Words of a command line with quotes, without a shell; null when a quote is left open. */
export function wordsOf(line: string): string[] | null {
	const words: string[] = []
	const pattern = /\s+|((?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+)|./gsy
	for (const [whole, word] of line.matchAll(pattern)) {
		if (word === undefined) {
			if (whole.trim() !== '') return null
			continue
		}
		words.push(
			word.replaceAll(
				/'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)/gs,
				(_, single?: string, double?: string, escaped?: string) =>
					single ?? double?.replaceAll(/\\(["\\])/g, '$1') ?? escaped ?? '',
			),
		)
	}
	return words
}

/** What the program writes. Throws ObjectStoreError without a word of it, which may be secret. */
async function runProcess(source: string, words: string[], env: Env): Promise<string> {
	try {
		await using child = Bun.spawn(words, {
			env: { ...env },
			stdin: 'ignore',
			stdout: 'pipe',
			stderr: 'ignore',
			timeout: PROCESS_MS_MAX,
			killSignal: 'SIGKILL',
		})
		let text = ''
		for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
			text += piece
			if (text.length > PROCESS_BYTES_MAX) break
		}
		const status = await child.exited
		if (status === 0) return text
		const how = child.signalCode === null ? `exit status ${status}` : `ended by ${child.signalCode}`
		throw new ObjectStoreError(`${source}: expected credentials, got ${how}`)
	} catch (error) {
		if (error instanceof ObjectStoreError) throw error
		throw new ObjectStoreError(`${source}: it cannot be started (${errorCode(error)})`)
	}
}

function keptOf(text: string, source: string, now: number): Kept {
	const told = parseTold(text)
	if (told === null) {
		throw new ObjectStoreError(
			`${source}: expected a JSON object with Version 1, AccessKeyId and SecretAccessKey`,
		)
	}
	const { expiration, ...credentials } = told
	if (expiration === null) {
		return { credentials, refreshAt: now + REREAD_MS, expiresAt: Number.POSITIVE_INFINITY }
	}
	const expiresAt = Date.parse(expiration)
	if (Number.isNaN(expiresAt)) {
		throw new ObjectStoreError(`${source}: expected a time as Expiration`)
	}
	const leftMs = expiresAt - now
	if (leftMs <= 0) throw new ObjectStoreError(`${source}: it tells credentials that have expired`)
	return { credentials, refreshAt: expiresAt - Math.min(RENEW_EARLY_MS, leftMs / 2), expiresAt }
}

/** Null for what is no answer of a credential_process. */
function parseTold(text: string): (Credentials & { readonly expiration: string | null }) | null {
	let told: unknown
	try {
		told = JSON.parse(text)
	} catch {
		return null
	}
	if (!isRecord(told) || told['Version'] !== 1) return null
	const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = told
	if (typeof AccessKeyId !== 'string' || typeof SecretAccessKey !== 'string') return null
	return {
		accessKeyId: AccessKeyId,
		secretAccessKey: SecretAccessKey,
		sessionToken: typeof SessionToken === 'string' && SessionToken !== '' ? SessionToken : null,
		expiration: typeof Expiration === 'string' ? Expiration : null,
	}
}

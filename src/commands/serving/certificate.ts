import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { messageOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { CommandError, exitStatus } from '../command.ts'
import { UsageError } from '../settings/option.ts'

/** What a server shows to prove who it is, and the key that goes with it; PEM. */
export interface Certificate {
	readonly cert: string
	readonly key: string
}

export interface CertificateFiles {
	readonly cert: string
	readonly key: string
}

/** How often the files are looked at, in milliseconds. */
const LOOK_MS = 2000

/** The files that two options name; null when neither does. Throws UsageError when only one does. */
export function certificateFiles(
	{
		tlsCert: cert,
		tlsKey: key,
	}: { readonly tlsCert: string | null; readonly tlsKey: string | null },
	origins: { readonly tlsCert: string; readonly tlsKey: string },
): CertificateFiles | null {
	if (cert === null && key === null) return null
	if (cert === null) throw new UsageError(`${origins.tlsKey}: expected --tls-cert beside it`)
	if (key === null) throw new UsageError(`${origins.tlsCert}: expected --tls-key beside it`)
	return { cert, key }
}

/** Reads both and sees that they belong together. Throws CommandError for what cannot be used. */
export function readCertificate(files: CertificateFiles): Certificate {
	const cert = readPem(files.cert, 'a certificate', (text) => new X509Certificate(text))
	const key = readPem(files.key, 'a private key', (text) => createPrivateKey(text))
	if (!cert.parsed.checkPrivateKey(key.parsed)) {
		const problem = `${files.key} is not the key of ${files.cert}`
		throw new CommandError(exitStatus.unfit, `TLS: ${problem}`)
	}
	return { cert: cert.text, key: key.text }
}

function readPem<T>(path: string, expected: string, parse: (text: string) => T) {
	let text: string
	try {
		text = readFileSync(path, 'utf8')
	} catch (error) {
		throw new CommandError(exitStatus.unfit, `TLS: ${messageOf(error)}`)
	}
	try {
		return { text, parsed: parse(text) }
	} catch {
		throw new CommandError(exitStatus.unfit, `TLS: ${path}: expected ${expected} in PEM`)
	}
}

export interface CertificateWatchOptions {
	readonly files: CertificateFiles
	/** What is in use. */
	readonly certificate: Certificate
	/** Uses another one. Throws when it cannot be used: one file may be newer than the other. */
	readonly replace: (certificate: Certificate) => void
	readonly log: Log
}

/** Looks at the files again and again: certificates are renewed while the server runs. */
export class CertificateWatch implements Disposable {
	readonly #options: CertificateWatchOptions
	/** What has been tried last. */
	#tried: Certificate
	#complaint = ''
	readonly #timer: Timer

	constructor(options: CertificateWatchOptions) {
		this.#options = options
		this.#tried = options.certificate
		this.#timer = setInterval(() => this.look(), LOOK_MS)
		this.#timer.unref()
	}

	/** Uses what is new. A failure is told once, and what was used is used on. */
	look(): void {
		const { files, replace, log } = this.#options
		let complaint: string
		try {
			const found = readCertificate(files)
			if (found.cert === this.#tried.cert && found.key === this.#tried.key) return
			this.#tried = found
			replace(found)
			log('info', 'TLS: a new certificate is used')
			return
		} catch (error) {
			complaint = messageOf(error)
		}
		if (complaint === this.#complaint) return
		this.#complaint = complaint
		log('warn', `TLS: the certificate that was used is used on: ${complaint}`)
	}

	[Symbol.dispose](): void {
		clearInterval(this.#timer)
	}
}

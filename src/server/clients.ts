/** Whose turn it is: requests with one API key are one client, and without keys those of one address. */
import { BlockList, isIP } from 'node:net'
import { type ApiKey, bearerToken } from './auth.ts'
import type { Connections } from './connections.ts'

export interface ClientOptions {
	/** Keys by which clients are told apart; empty: by their addresses. */
	readonly apiKeys: readonly ApiKey[]
	/** Whether clients with different keys may share cached prefixes, which tells them of each other's. */
	readonly sharesCache: boolean
	/** Addresses or subnets whose `X-Forwarded-For` is believed, for instance `10.0.0.0/8`. */
	readonly trustedProxies: readonly string[]
	readonly connections: Connections
}

export class Clients {
	readonly #options: ClientOptions
	readonly #trusted = new BlockList()

	constructor(options: ClientOptions) {
		this.#options = options
		for (const proxy of options.trustedProxies) addSubnet(this.#trusted, proxy)
	}

	/** A name for who asks; '' where nothing is known. */
	of(request: Request): string {
		if (this.#options.apiKeys.length > 0) return bearerToken(request.headers) ?? ''
		return this.addressOf(request)
	}

	/** Where a request comes from, seen through our own proxies. */
	addressOf(request: Request): string {
		const address = this.#options.connections.addressOf(request)
		if (this.#options.trustedProxies.length === 0) return address
		return this.#behindProxies(address, request.headers.get('x-forwarded-for') ?? '')
	}

	/** What the key of a request is called; null without keys, or for one that is none of them. */
	keyNameOf(request: Request): string | null {
		const { apiKeys } = this.#options
		if (apiKeys.length === 0) return null
		const token = bearerToken(request.headers)
		return apiKeys.find(({ value }) => value === token)?.name ?? null
	}

	/** What keeps the cached prefixes of one key from those of another; 0 = nothing. */
	cacheSaltOf(request: Request): number {
		const { apiKeys, sharesCache } = this.#options
		if (sharesCache || apiKeys.length === 0) return 0
		const token = bearerToken(request.headers) ?? ''
		return 1 + apiKeys.findIndex(({ value }) => value === token)
	}

	/** The nearest address that is not one of our proxies: what stands before it could be made up. */
	#behindProxies(peer: string, forwardedFor: string): string {
		let address = peer
		for (const next of forwardedFor.split(',').reverse()) {
			if (!this.#isTrusted(address) || isIP(next.trim()) === 0) break
			address = next.trim()
		}
		return address
	}

	#isTrusted(address: string): boolean {
		const family = isIP(address)
		return family !== 0 && this.#trusted.check(address, family === 4 ? 'ipv4' : 'ipv6')
	}
}

/** True for an address, or a subnet with the length of its prefix. */
export function isSubnet(text: string): boolean {
	const [address = '', bits, ...more] = text.split('/')
	const family = isIP(address)
	if (family === 0 || more.length > 0) return false
	return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
}

function addSubnet(list: BlockList, text: string): void {
	const [address = '', bits] = text.split('/')
	const type = isIP(address) === 4 ? 'ipv4' : 'ipv6'
	list.addSubnet(address, bits === undefined ? (type === 'ipv4' ? 32 : 128) : Number(bits), type)
}

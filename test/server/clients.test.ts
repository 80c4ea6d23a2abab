/** Who counts as one client. */
import { expect, test } from 'bun:test'
import { Clients, isSubnet } from '../../src/server/clients.ts'
import { Connections } from '../../src/server/connections.ts'

function setUp(trustedProxies: readonly string[], apiKeys: readonly string[] = []) {
	const connections = new Connections({ stallSeconds: 1, idleSeconds: 1 })
	const clients = new Clients({
		apiKeys: apiKeys.map((value) => ({ name: `the ${value}`, value })),
		sharesCache: false,
		trustedProxies,
		connections,
	})
	const from = (peer: string, headers: Record<string, string> = {}) => {
		const request = new Request('http://localhost/', { headers })
		connections.bind(request, { setIdleTimeout: () => {}, address: () => peer })
		return request
	}
	return { clients, from }
}

test('without keys a client is an address', () => {
	const { clients, from } = setUp([])
	expect(clients.of(from('192.0.2.1'))).toBe('192.0.2.1')
	expect(clients.of(from('192.0.2.1', { 'x-forwarded-for': '198.51.100.7' }))).toBe('192.0.2.1')
})

test('behind trusted proxies it is the nearest address that is none of them', () => {
	const { clients, from } = setUp(['10.0.0.0/8', '::1'])
	const via = (peer: string, forwardedFor: string) =>
		clients.of(from(peer, { 'x-forwarded-for': forwardedFor }))
	expect(via('10.0.0.1', '198.51.100.7')).toBe('198.51.100.7')
	expect(via('::1', '198.51.100.7, 10.1.1.1')).toBe('198.51.100.7')
	expect(via('10.0.0.1', '203.0.113.9, 198.51.100.7')).toBe('198.51.100.7')
	expect(via('192.0.2.1', '198.51.100.7')).toBe('192.0.2.1')
	expect(via('10.0.0.1', 'nonsense')).toBe('10.0.0.1')
})

test('with keys a client is a key, wherever it comes from, and shares no cached prefix', () => {
	const { clients, from } = setUp([], ['one', 'two'])
	const asking = (key: string) => from('192.0.2.1', { authorization: `Bearer ${key}` })
	expect(clients.of(asking('two'))).toBe('two')
	expect([clients.cacheSaltOf(asking('one')), clients.cacheSaltOf(asking('two'))]).toEqual([1, 2])
})

test('without keys everybody shares them', () => {
	const { clients, from } = setUp([])
	expect(clients.cacheSaltOf(from('192.0.2.1'))).toBe(0)
})

test('addresses and subnets are told from other words', () => {
	for (const text of ['10.0.0.1', '10.0.0.0/8', '::1', 'fd00::/8'])
		expect(isSubnet(text)).toBe(true)
	for (const text of ['nginx', '10.0.0.0/33', '10.0.0.0/', '1/2/3', '']) {
		expect(isSubnet(text)).toBe(false)
	}
})

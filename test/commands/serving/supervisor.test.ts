import { describe, expect, test } from 'bun:test'
import { inheritedSocket, Supervisor } from '../../../src/commands/serving/supervisor.ts'
import { eventually } from '../../helpers/eventually.ts'

describe('a supervisor', () => {
	const told: [string, string][] = []
	const send = (path: string, text: string) => told.push([path, text])

	test('hears when requests are answered, that the process lives, and that it stops', async () => {
		const env = { NOTIFY_SOCKET: '/run/notify', WATCHDOG_USEC: '20000', WATCHDOG_PID: '7' }
		using supervisor = new Supervisor(env, 7, send)
		supervisor.ready('listening on http://127.0.0.1:3000')
		await eventually(() => told.length >= 3)
		supervisor.stopping()
		expect(told[0]).toEqual(['/run/notify', 'READY=1\nSTATUS=listening on http://127.0.0.1:3000'])
		expect(told[1]).toEqual(['/run/notify', 'WATCHDOG=1'])
		expect(told.at(-1)?.[1]).toStartWith('STOPPING=1\n')
	})

	test('that does not ask is told nothing', () => {
		told.length = 0
		using supervisor = new Supervisor({}, 7, send)
		supervisor.ready('listening')
		expect(told).toEqual([])
	})
})

describe('sockets that are handed over', () => {
	test('are for the process that the variables name', () => {
		expect(inheritedSocket({}, 7)).toBeNull()
		expect(inheritedSocket({ LISTEN_FDS: '1', LISTEN_PID: '8' }, 7)).toBeNull()
	})

	test('are one', () => {
		const env = { LISTEN_FDS: '2', LISTEN_PID: '7' }
		expect(() => inheritedSocket(env, 7)).toThrow('LISTEN_FDS: expected one socket, got 2')
	})
})

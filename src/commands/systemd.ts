import serviceText from '../../deploy/systemd/alpha.service' with { type: 'text' }
import socketText from '../../deploy/systemd/alpha.socket' with { type: 'text' }
import type { Command } from './command.ts'

export const systemdCommand: Command = {
	name: 'systemd',
	usage: '',
	summary: 'print units for systemd, which keeps the port while the server restarts',
	options: () => ({}),
	run({ print }) {
		print(`${socketText}\n${serviceText}`)
		return Promise.resolve(0)
	},
}

/* A flood of cheap requests from a process of its own: `bun flood-process.ts PORT CONNECTIONS ADDRESS BASE64`. */
import { connect } from 'node:net'

const [port, connections, localAddress, request] = process.argv.slice(2) as [
	string,
	string,
	string,
	string,
]
const bytes = Buffer.from(request, 'base64')
let answers = 0

for (let i = 0; i < Number(connections); i++) {
	const socket = connect({ host: '127.0.0.1', port: Number(port), localAddress })
	socket.on('error', () => {})
	// Small answers come in one piece.
	socket.on('data', () => {
		answers++
		socket.write(bytes)
	})
	socket.write(bytes)
}

process.on('SIGTERM', () => {
	process.stdout.write(`${answers}\n`)
	process.exit(0)
})

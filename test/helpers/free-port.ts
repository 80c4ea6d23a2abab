/** A port of this machine that nobody has at the moment, for programs that cannot choose one themselves. */
export function freePort(): number {
	using server = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
	return server.port
}

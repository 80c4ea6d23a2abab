/*
 * What stands in for the server when it is measured what its trainers cost: reads reports and answers them, the wrong
 * secret after a second. Prints its URL.
 */
const secret = process.env['UPLOAD_SECRET']

const sink = Bun.serve({
	hostname: '127.0.0.1',
	port: 0,
	async fetch(request) {
		await request.text()
		if (request.headers.get('authorization') === `Bearer ${secret}`)
			return Response.json({ ok: true })
		await Bun.sleep(1000)
		return Response.json({ error: { message: 'wrong secret' } }, { status: 401 })
	},
})
console.log(`http://127.0.0.1:${sink.port}`)

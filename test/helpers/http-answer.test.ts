import { describe, expect, test } from 'bun:test'
import { HttpAnswer } from './http-answer.ts'

/** Read in pieces of so many bytes. */
function read(text: string, size: number): HttpAnswer {
	const bytes = Buffer.from(text, 'latin1')
	const answer = new HttpAnswer()
	for (let at = 0; at < bytes.length; at += size) {
		expect(answer.isWhole).toBe(false)
		answer.take(bytes.subarray(at, at + size))
	}
	return answer
}

describe.each([1, 7, 1000])('an answer that comes in pieces of %d bytes', (size) => {
	test('is whole with its last byte when its length is told', () => {
		const answer = read('HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello', size)
		expect(answer).toMatchObject({ isWhole: true, status: 404, body: 'hello' })
		expect(answer.header('content-length')).toBe('5')
		expect(answer.header('retry-after')).toBeNull()
	})

	test('is whole with its last chunk, whatever its head and chunks end with', () => {
		const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nx-request-id: a0\r\n\r\n'
		const answer = read(`${head}6\r\n0\r\n\r\nx\r\nA\r\n0123456789\r\n0\r\n\r\n`, size)
		expect(answer).toMatchObject({ isWhole: true, status: 200, body: '0\r\n\r\nx0123456789' })
	})
})

/** An HTTP answer read off a bare socket, piece by piece. */

const HEAD_END = '\r\n\r\n'

export class HttpAnswer {
	/** 0 until the head is whole. */
	status = 0
	isWhole = false
	#head = ''
	/** Of the body, without transfer coding; bytes as characters. */
	#pieces: string[] = []
	/** What of a chunked body has come and not been understood yet. */
	#rest = ''
	/** Bytes of the body that are still to come; null in chunked bodies and those without a length. */
	#missing: number | null = null
	#isChunked = false

	/** Whether anything of the body has come. */
	get hasBody(): boolean {
		return this.#pieces.some((piece) => piece !== '')
	}

	get body(): string {
		return this.#pieces.join('')
	}

	/** Value of a header, by its name in lower case; null where there is none. */
	header(name: string): string | null {
		const line = this.#head.split('\r\n').find((each) => each.toLowerCase().startsWith(`${name}:`))
		return line?.slice(name.length + 1).trim() ?? null
	}

	/** What came from the socket next. */
	take(bytes: Buffer): void {
		const text = bytes.toString('latin1')
		if (this.status === 0) this.#takeHead(text)
		else this.#takeBody(text)
	}

	#takeHead(text: string): void {
		this.#head += text
		const end = this.#head.indexOf(HEAD_END)
		if (end === -1) return
		const body = this.#head.slice(end + HEAD_END.length)
		this.#head = this.#head.slice(0, end)
		this.status = Number(this.#head.slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length))
		this.#isChunked = this.header('transfer-encoding') === 'chunked'
		this.#missing = this.#isChunked ? null : Number(this.header('content-length') ?? 0)
		this.#takeBody(body)
	}

	#takeBody(text: string): void {
		if (this.#isChunked) {
			this.#takeChunks(text)
			return
		}
		this.#pieces.push(text)
		this.#missing = (this.#missing ?? 0) - text.length
		this.isWhole = this.#missing <= 0
	}

	#takeChunks(text: string): void {
		this.#rest += text
		let at = 0
		for (;;) {
			const sizeEnd = this.#rest.indexOf('\r\n', at)
			if (sizeEnd === -1) break
			const size = Number.parseInt(this.#rest.slice(at, sizeEnd), 16)
			const end = sizeEnd + 2 + size + 2
			if (this.#rest.length < end) break
			if (size === 0) this.isWhole = true
			this.#pieces.push(this.#rest.slice(sizeEnd + 2, end - 2))
			at = end
		}
		this.#rest = this.#rest.slice(at)
	}
}

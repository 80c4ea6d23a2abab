/** Limits that size the buffers of a model when it is loaded. */
export interface BatchLimits {
	/** Rows (tokens) of one step. */
	readonly rowsMax: number
	/** Spans of one step. */
	readonly spansMax: number
	/** KV blocks of the longest sequence. */
	readonly blocksPerSequence: number
}

/**
 * The rows of one step as the kernels read them: flat arrays, filled anew each step, never
 * reallocated. Rows of one window are consecutive and form a span.
 */
export class Batch {
	rowCount = 0
	/** The highest position of a row. */
	lastPosition = 0
	/** Token id of each row. */
	readonly tokenIds: Int32Array
	/** Token id before each row's in its window; -1 at the beginning. */
	readonly previousIds: Int32Array
	/** Position of each row in its sequence's window. */
	readonly positions: Int32Array
	/** Where each row's keys and values go: block * 32 + offset. */
	readonly slots: Int32Array
	spanCount = 0
	/** Per span: first row, rows, position of the first row, index into `tables`. */
	readonly spans: Int32Array
	/** Block tables of all spans, one after another. */
	readonly tables: Int32Array
	logitRowCount = 0
	/** Rows whose logits are wanted, in order. */
	readonly logitRows: Int32Array
	logitSpanCount = 0
	/** As `spans`, of these rows alone, one after another. */
	readonly logitSpans: Int32Array
	/** Final hidden states of all rows are wanted, not only of those with logits. */
	wantsAllRows = false

	constructor(limits: BatchLimits) {
		this.tokenIds = new Int32Array(limits.rowsMax)
		this.previousIds = new Int32Array(limits.rowsMax)
		this.positions = new Int32Array(limits.rowsMax)
		this.slots = new Int32Array(limits.rowsMax)
		this.spans = new Int32Array(limits.spansMax * 4)
		this.tables = new Int32Array(limits.spansMax * limits.blocksPerSequence)
		this.logitRows = new Int32Array(limits.rowsMax)
		this.logitSpans = new Int32Array(limits.rowsMax * 4)
	}

	#tableLength = 0

	clear(): void {
		this.rowCount = 0
		this.lastPosition = 0
		this.spanCount = 0
		this.logitRowCount = 0
		this.logitSpanCount = 0
		this.wantsAllRows = false
		this.#tableLength = 0
	}

	/** Begins a span of `count` rows whose first row stands at `position`; rows follow by `addRow`. */
	addSpan(count: number, position: number, blocks: Int32Array, blockCount: number): void {
		const at = this.spanCount * 4
		this.spans[at] = this.rowCount
		this.spans[at + 1] = count
		this.spans[at + 2] = position
		this.spans[at + 3] = this.#tableLength
		for (let i = 0; i < blockCount; i++) this.tables[this.#tableLength + i] = blocks[i]!
		this.#tableLength += blockCount
		this.spanCount++
	}

	/** `previousId` is that of the token before, -1 at position 0. */
	addRow(tokenId: number, previousId: number, position: number, slot: number): void {
		const row = this.rowCount++
		this.tokenIds[row] = tokenId
		this.previousIds[row] = previousId
		this.positions[row] = position
		if (position > this.lastPosition) this.lastPosition = position
		this.slots[row] = slot
	}

	/** Asks for the logits of the row added last; returns the index of its logits. */
	wantLogits(): number {
		const row = this.rowCount - 1
		const index = this.logitRowCount++
		this.logitRows[index] = row
		const span = (this.spanCount - 1) * 4
		const follows = row > this.spans[span]! && this.logitRows[index - 1] === row - 1
		if (follows) this.logitSpans[(this.logitSpanCount - 1) * 4 + 1]!++
		else this.#beginLogitSpan(index, this.positions[row]!, this.spans[span + 3]!)
		return index
	}

	#beginLogitSpan(row: number, position: number, table: number): void {
		const at = this.logitSpanCount++ * 4
		this.logitSpans[at] = row
		this.logitSpans[at + 1] = 1
		this.logitSpans[at + 2] = position
		this.logitSpans[at + 3] = table
	}
}

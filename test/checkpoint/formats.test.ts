import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { trainedModels } from '../helpers/fixtures.ts'
import { tensorOf, tinyCheckpoint, toBinaryForm, toJsonForm } from '../helpers/tiny-checkpoint.ts'
import { readCheckpoint } from './read-checkpoint.ts'

/** The numbers of a file by the obvious way: all at once, with JSON.parse and DataView. */
function referenceNumbers(bytes: Buffer): Map<string, Float32Array> {
	if (bytes.toString('latin1', 0, 4) !== 'ALPH') {
		const { params } = JSON.parse(bytes.toString()) as {
			params: Record<string, { data: number[] }>
		}
		return new Map(
			Object.entries(params).map(([name, { data }]) => [name, Float32Array.from(data)]),
		)
	}
	const headerBytes = bytes.readUInt32LE(4)
	const { tensors } = JSON.parse(bytes.toString('utf8', 8, 8 + headerBytes)) as {
		tensors: { name: string; elements: number }[]
	}
	const numbers = new Map<string, Float32Array>()
	let offset = 8 + headerBytes
	for (const { name, elements } of tensors) {
		const data = Float32Array.from({ length: elements }, (_, i) =>
			bytes.readFloatLE(offset + 4 * i),
		)
		if (name.startsWith('p.')) numbers.set(name.slice(2), data)
		offset += 4 * elements
	}
	return numbers
}

describe('checkpoints that the trainer wrote', () => {
	test.each(trainedModels())('$name reads bit for bit as the obvious reader does', (model) => {
		const bytes = readFileSync(model.checkpointPath)
		const { numbers, parameterCount, step } = readCheckpoint(bytes)
		const expected = referenceNumbers(bytes)
		expect([...numbers.keys()].sort()).toEqual([...expected.keys()].sort())
		for (const [name, data] of numbers) {
			expect(Bun.deepEquals(data, expected.get(name))).toBe(true)
		}
		const counted = [...expected.values()].reduce((sum, data) => sum + data.length, 0)
		expect(parameterCount).toBe(counted)
		expect(step).toBe(Number(/checkpoint-(\d+)/.exec(model.checkpointPath)?.[1]))
	})
})

describe('the JSON form', () => {
	test('reads the same with its keys in any order and white space everywhere', () => {
		const tiny = tinyCheckpoint()
		const plain = JSON.parse(toJsonForm(tiny).toString()) as Record<string, unknown>
		const reversed = JSON.stringify(Object.fromEntries(Object.entries(plain).reverse()), null, '\t')
		const expected = readCheckpoint(toJsonForm(tiny))
		const { numbers } = readCheckpoint(Buffer.from(`\n ${reversed} \r\n`))
		expect([...numbers]).toEqual([...expected.numbers])
	})

	test('rounds numbers as JSON.parse and Math.fround do', () => {
		const tiny = tinyCheckpoint()
		const texts = ['1e-50', '3.4028234663852886e38', '-0', '0.1', '16777217', '1E+2', '2.5e-45']
		const [first, ...rest] = [...texts, '1', '2', '3', '4', '5']
		tensorOf(tiny, 'wte').data = 'HERE'
		const file = toJsonForm(tiny)
			.toString()
			.replace('"HERE"', `[${[first, ...rest].join(' , ')}]`)
		const { numbers } = readCheckpoint(Buffer.from(file))
		const expected = [...texts, '1', '2', '3', '4', '5'].map((text) => Math.fround(Number(text)))
		expect([...(numbers.get('wte') ?? [])]).toEqual(expected)
	})

	test('has no soft cap unless its config names one; the binary form has 30', () => {
		const capOf = (bytes: Uint8Array) => {
			const { config } = readCheckpoint(bytes)
			return config.family === 'alpha' ? config.softCap : undefined
		}
		expect(capOf(toJsonForm(tinyCheckpoint()))).toBeNull()
		expect(capOf(toJsonForm(tinyCheckpoint({ softCap: 2 })))).toBe(2)
		expect(capOf(toBinaryForm(tinyCheckpoint()))).toBe(30)
		expect(capOf(toBinaryForm(tinyCheckpoint({ softCap: 1 })))).toBe(1)
	})
})

describe('both forms', () => {
	test('prefer wqkv where it and its parts are there', () => {
		const tiny = tinyCheckpoint()
		tiny.tensors.push({
			name: 'layer.0.attn.wqkv',
			shape: [12, 4],
			data: new Array<number>(48).fill(1),
		})
		for (const bytes of [toJsonForm(tiny), toBinaryForm(tiny)]) {
			const { numbers } = readCheckpoint(bytes)
			expect(numbers.has('layer.0.attn.wqkv')).toBe(true)
			expect(numbers.has('layer.0.attn.wq')).toBe(false)
		}
	})

	test('ignore unknown tensors, even broken ones, and unknown keys', () => {
		const tiny = tinyCheckpoint({ unknown: { deep: [1, '}'] } })
		tiny.tensors.push({ name: 'extra', shape: [1], data: [Number.NaN] })
		for (const bytes of [toJsonForm(tiny), toBinaryForm(tiny)]) {
			expect(readCheckpoint(bytes).numbers.has('extra')).toBe(false)
		}
	})

	test('accept a model vocabulary that is larger than the tokenizer', () => {
		const tiny = tinyCheckpoint({ vocabSize: 5 })
		expect(readCheckpoint(toBinaryForm(tiny)).config.vocabSize).toBe(5)
	})
})

/* Malformed files: each is refused with a message that names the place, what was expected and found. */
import { describe, expect, test } from 'bun:test'
import {
	type BinaryHeader,
	type TinyCheckpoint,
	tensorOf,
	tinyCheckpoint,
	toBinaryForm,
	toJsonForm,
	withHeader,
} from '../helpers/tiny-checkpoint.ts'
import { refusalOf } from './read-checkpoint.ts'

type Edit = (checkpoint: TinyCheckpoint) => void

const bothForms: [name: string, edit: Edit, message: RegExp][] = [
	[
		'no modelConfig',
		(c) => {
			c.modelConfig = null as never
		},
		/^modelConfig: expected an object/,
	],
	[
		'a missing size',
		(c) => {
			delete c.modelConfig['nEmbd']
		},
		/nEmbd: expected an integer.*nothing/,
	],
	[
		'a size of 0',
		(c) => {
			c.modelConfig['nLayer'] = 0
		},
		/nLayer: expected an integer from 1 to 512/,
	],
	[
		'a fraction',
		(c) => {
			c.modelConfig['nHead'] = 1.5
		},
		/nHead: expected an integer.*got 1.5/,
	],
	[
		'an absurd context',
		(c) => {
			c.modelConfig['blockSize'] = 1e9
		},
		/blockSize.*got 1000000000/,
	],
	[
		'absurd layers',
		(c) => {
			c.modelConfig['nLayer'] = 1e6
		},
		/nLayer.*got 1000000/,
	],
	[
		'heads that do not divide',
		(c) => {
			c.modelConfig['nHead'] = 3
		},
		/a divisor of nEmbd 4, got 3/,
	],
	[
		'a large config',
		(c) => {
			c.modelConfig['vocabSize'] = 1e6
		},
		/wte: expected shape \[1000000, 4\]/,
	],
	[
		'an unknown activation',
		(c) => {
			c.modelConfig['ffnActivation'] = 'mish'
		},
		/got "mish"/,
	],
	[
		'composed, no graph',
		(c) => {
			c.modelConfig['ffnActivation'] = 'composed'
		},
		/activationGraph/,
	],
	[
		'a zero soft cap',
		(c) => {
			c.modelConfig['softCap'] = 0
		},
		/softCap: expected a positive number/,
	],
	[
		'no tokenizer',
		(c) => {
			c.tokenizerArtifacts = undefined
		},
		/tokenizerArtifacts: expected an obj/,
	],
	[
		'an unknown tokenizer',
		(c) => {
			c.tokenizerArtifacts = { type: 'sp', vocab: ['a'] }
		},
		/tokenizerArtifacts.type.*"sp"/,
	],
	[
		'more tokens than rows',
		(c) => {
			c.tokenizerArtifacts = { type: 'char', vocab: ['a', 'b', 'c', 'd'] }
		},
		/a row for each of the tokenizer's 4 entries, got vocabSize 3/,
	],
	[
		'a missing tensor',
		(c) => {
			c.tensors.splice(3, 1)
		},
		/ln1.bias: .*got no such tensor/,
	],
	[
		'half of the attention',
		(c) => {
			tensorOf(c, 'layer.0.attn.wk').name = 'other'
		},
		/attn.wk: expected shape \[4, 4\], got no such tensor/,
	],
	[
		'a swapped shape',
		(c) => {
			tensorOf(c, 'wte').shape = [4, 3]
		},
		/wte: expected shape \[3, 4\], g/,
	],
	[
		'a flat shape',
		(c) => {
			tensorOf(c, 'wte').shape = [12]
		},
		/wte: .*got \[12\]/,
	],
	[
		'a zero shape',
		(c) => {
			tensorOf(c, 'wte').shape = [0, 4]
		},
		/wte: .*got \[0, 4\]/,
	],
	[
		'an overflowing shape',
		(c) => {
			tensorOf(c, 'wte').shape = [2 ** 40, 2 ** 40]
		},
		/wte: exp/,
	],
	[
		'no shape',
		(c) => {
			tensorOf(c, 'wte').shape = undefined
		},
		/wte: .*got nothing/,
	],
	[
		'a number short',
		(c) => {
			;(tensorOf(c, 'wpe').data as number[]).pop()
		},
		/wpe: expected (16|more)/,
	],
	[
		'a number over',
		(c) => {
			;(tensorOf(c, 'wpe').data as number[]).push(1)
		},
		/wpe: expected 16/,
	],
	[
		'a tensor twice',
		(c) => {
			c.tensors.push({ ...tensorOf(c, 'wte') })
		},
		/wte: expected once, got/,
	],
]

describe.each([
	['JSON', toJsonForm],
	['binary', toBinaryForm],
] as const)('the %s form refuses', (_form, write) => {
	test.each(bothForms)('%s', (_name, edit, message) => {
		const checkpoint = tinyCheckpoint()
		edit(checkpoint)
		expect(refusalOf(write(checkpoint))).toMatch(message)
	})

	test('a file that ends early, wherever it ends', () => {
		const bytes = write(tinyCheckpoint())
		for (let length = 0; length < bytes.length; length += 7) {
			expect(refusalOf(bytes.subarray(0, length))).toBeTruthy()
		}
	})

	test('a file that goes on', () => {
		const bytes = Buffer.concat([write(tinyCheckpoint()), Buffer.from('{}')])
		expect(refusalOf(bytes)).toMatch(
			/expected (the end of the file|a file of \d+ bytes by its header)/,
		)
	})

	test('lists several faults, but not all of many', () => {
		const checkpoint = tinyCheckpoint({ nLayer: 3 })
		for (const tensor of checkpoint.tensors) tensor.shape = [1]
		const message = refusalOf(write(checkpoint))
		expect(message.split('; ').length).toBe(11)
		expect(message).toMatch(/and \d+ more$/)
	})
})

describe('the JSON form refuses among the numbers', () => {
	test.each([
		['null', 'null', /wte: expected a number at byte \d+, got "null"/],
		['NaN', 'NaN', /expected a number at byte \d+, got "NaN"/],
		['an overflow', '1e400', /wte: expected finite numbers, got Infinity at index 1/],
		['an overflow of f32', '-3.5e38', /wte: expected finite numbers, got -Infinity at index 1/],
		['a string', '"1"', /expected a number/],
		['a nested array', '[1]', /expected a number/],
		['an object', '{"a":1}', /expected a number/],
		['a word', 'tru', /got "tru"/],
		['a leading zero', '01', /expected a number/],
		['a plus', '+1', /expected a number/],
		['a bare point', '1.', /expected a number/],
		['two in a row', '1 2', /expected/],
		['nothing', '', /expected a number/],
		['hexadecimal', '0x10', /expected a number/],
	])('%s', (_name, text, message) => {
		const checkpoint = tinyCheckpoint()
		const wte = tensorOf(checkpoint, 'wte')
		;(wte.data as unknown[])[1] = 'HERE'
		const file = toJsonForm(checkpoint).toString().replace('"HERE"', text)
		expect(refusalOf(Buffer.from(file))).toMatch(message)
	})

	test.each([
		['null', null],
		['an object', {}],
		['a string', '1,2,3'],
		['a number', 12],
		['nothing', undefined],
	])('%s instead of them', (_name, data) => {
		const checkpoint = tinyCheckpoint()
		tensorOf(checkpoint, 'wte').data = data
		expect(refusalOf(toJsonForm(checkpoint))).toMatch(/wte/)
	})
})

describe('the JSON form refuses', () => {
	test.each([
		['another top level', '[]  ', /checkpoint: expected an object at byte 0, got '\['/],
		['a byte order mark', '\ufeff{}', /expected an object at byte 0, got byte 0xef/],
		['a key twice', '{"step":1,"step":2}', /step: expected once, got twice/],
		['no params', '{"modelConfig":{}}', /params: expected an object, got nothing/],
		['params of another type', '{"params":[]}', /params: expected an object at byte 10/],
		['a missing colon', '{"params" {}}', /expected a colon/],
		['a missing value', '{"params":}', /expected an object/],
		['a missing comma', '{"params":{} "step":1}', /expected a comma or a closing brace/],
		['a bare key', '{params:{}}', /expected a key/],
		['control characters in a key', '{"a\u0001":1}', /expected valid JSON/],
		['a key without end', `{"${'a'.repeat(5000)}":1}`, /expected at most 1024 bytes/],
		[
			'a config without end',
			`{"modelConfig":"${'a'.repeat(2 ** 21)}"}`,
			/expected at most 1048576/,
		],
		['deep nesting without end', `{"x":${'['.repeat(3_000_000)}`, /expected the rest of the value/],
		[
			'deep numbers without end',
			`{"x":${'[1,'.repeat(1_000_000)}`,
			/expected the rest of the value/,
		],
		['invalid UTF-8', Buffer.from([...Buffer.from('{"modelConfig":"'), 0xff, 0x22, 0x7d]), /UTF-8/],
	])('%s', (_name, text, message) => {
		expect(refusalOf(Buffer.from(text as string))).toMatch(message)
	})
})

describe('the binary form refuses', () => {
	const edited = (edit: (header: BinaryHeader) => void) => toBinaryForm(tinyCheckpoint(), edit)
	const tensors = (header: BinaryHeader) => header.tensors as Record<string, unknown>[]

	test.each([
		[
			'a header that is no JSON',
			withHeader('{"tensors":', new Uint8Array(9)),
			/header: expected valid/,
		],
		[
			'a header that is an array',
			withHeader('[]', new Uint8Array(0)),
			/header: expected an object/,
		],
		[
			'no tensor list',
			edited((h) => {
				h.tensors = undefined
			}),
			/header.tensors: expected an array/,
		],
		[
			'a list of null',
			edited((h) => {
				h.tensors = [null]
			}),
			/header.tensors\[0\].name/,
		],
		[
			'a nameless tensor',
			edited((h) => {
				delete tensors(h)[0]?.['name']
			}),
			/\[0\].name: expected/,
		],
		[
			'negative elements',
			edited((h) => {
				tensors(h)[0]!['elements'] = -12
			}),
			/elements: expected a c/,
		],
		[
			'half an element',
			edited((h) => {
				tensors(h)[0]!['elements'] = 12.5
			}),
			/got 12.5/,
		],
		[
			'absurd elements',
			edited((h) => {
				tensors(h)[0]!['elements'] = 2 ** 52
			}),
			/that fits a file/,
		],
		[
			'elements over',
			edited((h) => {
				tensors(h)[0]!['elements'] = 13
			}),
			/expected a file of/,
		],
		[
			'elements that belong to others',
			edited((h) => {
				tensors(h)[0]!['elements'] = 10
				tensors(h)[1]!['elements'] = 4
			}),
			/wte: expected 12 numbers by its shape, got 10/,
		],
		[
			'a header length beyond the file',
			Buffer.from('ALPH\xff\xff\0\0', 'latin1'),
			/header of 65535/,
		],
		[
			'a header length beyond all sense',
			Buffer.from('ALPH\xff\xff\xff\xff', 'latin1'),
			/at most 16777216/,
		],
		['a file of its magic only', Buffer.from('ALPH'), /expected 8 bytes at offset 0/],
	])('%s', (_name, bytes, message) => {
		expect(refusalOf(bytes)).toMatch(message)
	})

	test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('%p', (value) => {
		const checkpoint = tinyCheckpoint()
		;(tensorOf(checkpoint, 'lmHead').data as number[])[5] = value
		const message = `lmHead: expected finite numbers, got ${value} at index 5`
		expect(refusalOf(toBinaryForm(checkpoint))).toBe(message)
	})
})

test('a file of fewer than 4 bytes is no checkpoint', () => {
	expect(refusalOf(Buffer.from('{}'))).toBe('expected a checkpoint, got a file of 2 bytes')
})

// kernels.h is written in C and again in TypeScript: nothing but these tests sees both. A wrong type
// in the table of symbols would not fail, it would pass half of a number.
import { FFIType } from 'bun:ffi'
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
	activationStackMax,
	instructionSets,
	kernelActivations,
	kernelDtypes,
	kernelOps,
	kernelSymbols,
	kvBlockTokens,
	openKernels,
	panelColumns,
	threadsMax,
} from '../../src/kernels/binding.ts'
import { compilerFor, isaFlags, kernelFlags } from '../../src/kernels/compile.ts'
import { architectureOf, hostTarget } from '../../src/kernels/targets.ts'

const root = join(import.meta.dir, '../..')
const directory = join(root, 'src/kernels')
const architecture = architectureOf(hostTarget())
const library = join(root, 'dist/libkernels.so')
const header = readFileSync(join(directory, 'kernels.h'), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '')

interface Parameter {
	readonly name: string
	/** As C writes it, without `const`. */
	readonly type: string
}

interface Signature {
	readonly result: string
	readonly parameters: readonly Parameter[]
}

/** `const float *x` → name `x`, type `float *`. */
function parseParameter(text: string): Parameter {
	const [, type, star, name] = /^(?:const )?(\w+) (\*?)(\w+)$/.exec(text.trim())!
	return { name: name!, type: star === '' ? type! : `${type} *` }
}

function parseSignature(result: string, parameters: string): Signature {
	return {
		result: result.replace('const ', '').trim(),
		parameters: parameters === 'void' ? [] : parameters.split(',').map(parseParameter),
	}
}

/** The exported functions: declared directly, or by a function type of their own name. */
const signatures = new Map<string, Signature>()
const flat = header.replace(/\s+/g, ' ')
for (const [, result, name, parameters] of flat.matchAll(
	/(?:KERNELS_API|typedef) ((?:const )?\w+ \*?)kernels_(\w+?)(?:_fn)?\(([^)]*)\);/g,
)) {
	signatures.set(name!, parseSignature(result!, parameters!))
}

/** `NAME = 3` of an enum and `#define NAME 3`, without the prefix, in lower case. */
function constants(prefix: string): Record<string, number> {
	const found = header.matchAll(new RegExp(`KERNELS_${prefix}_(\\w+?)(?: =)? (\\d+)`, 'g'))
	return Object.fromEntries(
		[...found].map(([, name, value]) => [name!.toLowerCase(), Number(value)]),
	)
}

function camelCase(name: string): string {
	return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

const hasNm = Bun.which('nm') !== null

describe('the functions of kernels.h', () => {
	test.skipIf(!hasNm)(`are all that the library exports${hasNm ? '' : ' (skipped: no nm)'}`, () => {
		const { stdout } = Bun.spawnSync(['nm', '-D', '--defined-only', library])
		const exported = stdout.toString().trim().split('\n')
		const names = exported.map((line) => line.split(' ')[2]!.replace('kernels_', ''))
		expect(names.length).toBeGreaterThan(20)
		expect(names.sort()).toEqual([...signatures.keys()].sort())
	})

	test('are called with the types that C declares', () => {
		const types: Readonly<Record<string, FFIType>> = {
			void: FFIType.void,
			int32_t: FFIType.i32,
			int64_t: FFIType.i64_fast,
			float: FFIType.f32,
			double: FFIType.f64,
		}
		const typeOf = (type: string) => (type.endsWith('*') ? FFIType.ptr : types[type])
		const expected = [...signatures].map(([name, { result, parameters }]) => [
			name,
			{
				args: parameters.map(({ type }) => typeOf(type)),
				returns: result === 'char *' ? FFIType.cstring : typeOf(result),
			},
		])
		expect(kernelSymbols).toEqual(Object.fromEntries(expected))
	})

	test('have the same parameters, by name and in this order, in TypeScript', () => {
		const source = readFileSync(join(directory, 'binding.ts'), 'utf8')
		const [, body] = /export interface Kernels \{\n([\s\S]*?)\n\}/.exec(source)!
		const declared = [...body!.matchAll(/^\t(\w+)\(([\s\S]*?)\): /gm)].map(
			([, name, parameters]) => [name, parameters!.match(/\w+: \w+/g) ?? []],
		)
		const typeOf = (type: string) =>
			type === 'char *' ? 'string' : type.endsWith('*') ? 'Address' : 'number'
		const expected = [...signatures].map(([name, { parameters }]) => [
			camelCase(name),
			parameters.map(({ name, type }) => `${camelCase(name)}: ${typeOf(type)}`),
		])
		expect(Object.fromEntries(declared)).toEqual(Object.fromEntries(expected))
	})
})

describe('the constants of kernels.h', () => {
	test.each([
		['DTYPE', kernelDtypes],
		['OP', kernelOps],
		['ACT', { ...kernelActivations, stack_max: activationStackMax }],
		['PANEL', panelColumns],
		['KV_BLOCK', kvBlockTokens],
		['THREADS_MAX', threadsMax],
	])('%s', (prefix, expected) => {
		const [, value] = new RegExp(`#define KERNELS_${prefix} (\\d+)`).exec(header) ?? []
		expect(value === undefined ? constants(prefix) : Number(value)).toEqual(expected as never)
	})

	test('instruction sets are those that the build compiles', () => {
		const compiled = Object.values(isaFlags).flatMap((isas) => Object.keys(isas))
		expect([...new Set(compiled)]).toEqual([...instructionSets])
		const ours = Object.keys(isaFlags[architecture])
		expect(openKernels(library).isaList().sort()).toEqual(ours.sort())
	})
})

describe('every header', () => {
	const all = [...new Bun.Glob('**/*.h').scanSync(directory)]
	// Those of darwin/ stand in place of this system's.
	const headers = all.filter((path) => !path.startsWith('darwin/'))
	const isas = isaFlags[architecture]
	const isForeign = (path: string) => {
		const [, isa] = /^isa\/(.*)\.h$/.exec(path) ?? []
		return isa !== undefined && !(isa in isas)
	}

	test.each(headers.filter((path) => !isForeign(path)).sort())('%s compiles alone', (path) => {
		const isa = Object.keys(isas).find((name) => path === `isa/${name}.h`)
		const { stderr } = Bun.spawnSync([
			compilerFor(hostTarget()),
			...kernelFlags,
			'-Wno-unused-function',
			...(isa === undefined ? [] : isas[isa]!),
			'-fsyntax-only',
			'-include',
			join(directory, path),
			'-x',
			'c',
			'/dev/null',
		])
		expect(stderr.toString()).toBe('')
	})
})

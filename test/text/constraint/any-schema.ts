import fc from 'fast-check'

type Schema = { readonly [keyword: string]: unknown }

const count = fc.nat(4)
const bound = fc.oneof(
	fc.integer({ min: -2000, max: 2000 }),
	fc.double({ min: -50, max: 50, noNaN: true }),
	fc.constantFrom(0, 0.1, 1e-7, 1e20, -1e-9, 99.999999),
)
const constant = fc.oneof(
	fc.constantFrom(null, true, false, 0, -1, 12, 1.5, '', 'a', 'a_b', 'ab', 'é"\\'),
	fc.jsonValue({ maxDepth: 1 }),
)

function some(keywords: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Schema> {
	return fc.record(keywords, { requiredKeys: [] }) as fc.Arbitrary<Schema>
}

function typed(
	type: string,
	keywords: Record<string, fc.Arbitrary<unknown>>,
): fc.Arbitrary<Schema> {
	return some(keywords).map((fields) => ({ ...fields, type }))
}

/** Schemas of the supported subset; `$ref` goes to the root or to `#/$defs/a`. */
export const anySchema: fc.Arbitrary<Schema> = fc.letrec<{ schema: Schema; sub: Schema }>((tie) => {
	const key = fc.constantFrom('a', 'b', 'a_b', 'ab', '~"', 'é')
	const sub = tie('sub')
	return {
		sub: fc.oneof(
			{ maxDepth: 3, withCrossShrink: true },
			typed('null', {}),
			typed('boolean', {}),
			typed('string', { minLength: count, maxLength: fc.nat(9) }),
			typed('integer', { minimum: bound, maximum: bound }),
			typed('number', { minimum: bound, exclusiveMaximum: bound }),
			typed('number', { exclusiveMinimum: bound, maximum: bound }),
			fc.array(constant, { minLength: 1, maxLength: 4 }).map((values) => ({ enum: values })),
			constant.map((value) => ({ const: value })),
			fc.constantFrom<Schema>({ $ref: '#/$defs/a' }, { $ref: '#' }, {}),
			fc.array(sub, { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf })),
			typed('array', { items: sub, minItems: count, maxItems: count }),
			typed('object', { additionalProperties: fc.oneof(fc.boolean(), sub) }),
			typed('object', {
				properties: fc.dictionary(key, sub, { maxKeys: 4 }),
				required: fc.uniqueArray(key, { maxLength: 3 }),
				additionalProperties: fc.oneof(fc.boolean(), sub),
			}),
		),
		schema: fc.tuple(sub, sub).map(([root, a]) => ({ ...root, $defs: { a } })),
	}
}).schema

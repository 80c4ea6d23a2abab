type Schema = boolean | { readonly [keyword: string]: unknown }

/**
 * Whether a value is valid against a schema: a plain reading of the specification for the keywords
 * that constraints support, independent of how they are compiled.
 */
export function isValid(
	value: unknown,
	schema: Schema,
	root: Schema = schema,
	entered: readonly Schema[] = [],
): boolean {
	if (typeof schema === 'boolean') return schema
	if (entered.includes(schema)) return false
	const is = (sub: unknown) => isValid(value, sub as Schema, root, [...entered, schema])
	const holds: Record<string, (argument: never) => boolean> = {
		$ref: (pointer: string) => is(resolve(pointer, root)),
		type: (type: string | string[]) => [type].flat().some((name) => isOfType(value, name)),
		const: (constant: unknown) => isEqual(value, constant),
		enum: (constants: unknown[]) => constants.some((constant) => isEqual(value, constant)),
		anyOf: (schemas: Schema[]) => schemas.some(is),
		oneOf: (schemas: Schema[]) => schemas.filter(is).length === 1,
		allOf: (schemas: Schema[]) => schemas.every(is),
		minLength: (count: number) => typeof value !== 'string' || [...value].length >= count,
		maxLength: (count: number) => typeof value !== 'string' || [...value].length <= count,
		minimum: (bound: number) => typeof value !== 'number' || value >= bound,
		maximum: (bound: number) => typeof value !== 'number' || value <= bound,
		exclusiveMinimum: (bound: number) => typeof value !== 'number' || value > bound,
		exclusiveMaximum: (bound: number) => typeof value !== 'number' || value < bound,
		minItems: (count: number) => !Array.isArray(value) || value.length >= count,
		maxItems: (count: number) => !Array.isArray(value) || value.length <= count,
		items: (item: Schema) =>
			!Array.isArray(value) || value.every((one) => isValid(one, item, root)),
		required: (keys: string[]) =>
			!isObject(value) || keys.every((key) => Object.hasOwn(value, key)),
		properties: (properties: Record<string, Schema>) =>
			!isObject(value) ||
			Object.entries(properties).every(
				([key, sub]) => !Object.hasOwn(value, key) || isValid(value[key], sub, root),
			),
		additionalProperties: (additional: Schema) =>
			!isObject(value) ||
			Object.keys(value)
				.filter((key) => !Object.hasOwn((schema['properties'] as object) ?? {}, key))
				.every((key) => isValid(value[key], additional, root)),
	}
	const ignored = ['$defs', 'definitions', 'title', 'description', 'discriminator']
	return Object.entries(schema).every(([keyword, argument]) => {
		if (ignored.includes(keyword)) return true
		const check = holds[keyword]
		if (check === undefined) throw new Error(`no check of ${keyword}`)
		return check(argument as never)
	})
}

function resolve(pointer: string, root: Schema): Schema {
	let target: unknown = root
	for (const part of pointer.split('/').slice(1)) target = (target as Record<string, unknown>)[part]
	return target as Schema
}

function isObject(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isOfType(value: unknown, type: string): boolean {
	switch (type) {
		case 'null':
			return value === null
		case 'integer':
			return Number.isInteger(value)
		case 'array':
			return Array.isArray(value)
		case 'object':
			return isObject(value)
		default:
			return typeof value === type
	}
}

function isEqual(a: unknown, b: unknown): boolean {
	return Bun.deepEquals(a, b, true)
}

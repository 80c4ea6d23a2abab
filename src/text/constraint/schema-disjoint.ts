import { isRecord } from '../../lib/json.ts'
import type { SchemaObject } from './schema-fields.ts'

/**
 * Whether two schemas visibly exclude each other: other types, other constants, or objects with a
 * common required property whose constants differ (a discriminator). False where it is not plain.
 */
export function areDisjoint(a: unknown, b: unknown): boolean {
	if (!isRecord(a) || !isRecord(b)) return a === false || b === false
	const [constantsOfA, constantsOfB] = [constantTexts(a), constantTexts(b)]
	if (constantsOfA !== null && constantsOfB !== null) {
		return constantsOfA.isDisjointFrom(constantsOfB)
	}
	const [typesOfA, typesOfB] = [typeNames(a), typeNames(b)]
	if (typesOfA === null || typesOfB === null) return false
	if (typesOfA.isDisjointFrom(typesOfB)) return true
	const areObjects = [typesOfA, typesOfB].every((types) => types.size === 1 && types.has('object'))
	return areObjects && haveDiscriminator(a, b)
}

function haveDiscriminator(a: SchemaObject, b: SchemaObject): boolean {
	const [propertiesOfA, propertiesOfB] = [a['properties'], b['properties']]
	if (!isRecord(propertiesOfA) || !isRecord(propertiesOfB)) return false
	return Object.keys(propertiesOfA).some((key) => {
		if (!isRequired(a, key) || !isRequired(b, key) || !Object.hasOwn(propertiesOfB, key))
			return false
		const [inA, inB] = [propertiesOfA[key], propertiesOfB[key]]
		if (!isRecord(inA) || !isRecord(inB)) return false
		const [textsOfA, textsOfB] = [constantTexts(inA), constantTexts(inB)]
		return textsOfA !== null && textsOfB !== null && textsOfA.isDisjointFrom(textsOfB)
	})
}

function isRequired(schema: SchemaObject, key: string): boolean {
	const required = schema['required']
	return Array.isArray(required) && required.includes(key)
}

/** Scalar constants as JSON text; null where a schema allows anything else. */
function constantTexts(schema: SchemaObject): Set<string> | null {
	const listed = Object.hasOwn(schema, 'const') ? [schema['const']] : schema['enum']
	if (!Array.isArray(listed)) return null
	const areScalar = listed.every((value) => typeof value !== 'object' || value === null)
	return areScalar ? new Set(listed.map((value) => JSON.stringify(value))) : null
}

/** Type names, `integer` counted as `number`; null where the schema does not say. */
function typeNames(schema: SchemaObject): Set<unknown> | null {
	const type = schema['type']
	if (type === undefined) return null
	const names = Array.isArray(type) ? type : [type]
	return new Set(names.map((name) => (name === 'integer' ? 'number' : name)))
}

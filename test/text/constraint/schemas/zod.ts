import * as z from 'zod'

const cat = z.object({ kind: z.literal('cat'), lives: z.int().min(0).max(9) })
const dog = z.object({ kind: z.literal('dog'), name: z.string().max(8) })
interface Category {
	readonly name: string
	readonly inner: Category[]
}
const category: z.ZodType<Category> = z.lazy(() =>
	z.object({ name: z.string(), inner: z.array(category) }),
)

/** Common types of zod 4; its `toJSONSchema` says what they are in JSON Schema. */
export const ZOD_TYPES: Readonly<Record<string, z.ZodType>> = {
	string: z.string(),
	'string.min.max': z.string().min(2).max(5),
	'string.regex': z.string().regex(/^[A-Z]{2}-\d{3,}$/),
	'string.startsWith.endsWith.includes': z
		.string()
		.startsWith('ab')
		.endsWith('yz')
		.includes('m')
		.max(12),
	'string.lowercase': z.string().lowercase().max(9),
	'string.length.regex': z
		.string()
		.length(6)
		.regex(/^[0-9a-f]+$/),
	number: z.number(),
	'number.min.lt': z.number().min(-1).lt(2.5),
	'number.multipleOf': z.number().multipleOf(5),
	'number.positive': z.number().positive(),
	int: z.int(),
	int32: z.int32(),
	uint32: z.uint32(),
	float64: z.float64(),
	boolean: z.boolean(),
	null: z.null(),
	unknown: z.unknown(),
	any: z.any(),
	literal: z.literal(['a', 1, true, null]),
	enum: z.enum(['red', 'green', 'blue']),
	templateLiteral: z.templateLiteral(['id-', z.int().min(0).max(99)]),
	email: z.email(),
	'email.max': z.email().max(100),
	url: z.url(),
	uuid: z.uuid(),
	uuidv4: z.uuidv4(),
	guid: z.guid(),
	cuid: z.cuid(),
	cuid2: z.cuid2(),
	ulid: z.ulid(),
	nanoid: z.nanoid(),
	ipv4: z.ipv4(),
	ipv6: z.ipv6(),
	cidrv4: z.cidrv4(),
	base64: z.base64(),
	base64url: z.base64url(),
	e164: z.e164(),
	emoji: z.emoji(),
	jwt: z.jwt(),
	'iso.date': z.iso.date(),
	'iso.time': z.iso.time(),
	'iso.datetime': z.iso.datetime(),
	'iso.datetime.offset': z.iso.datetime({ offset: true }),
	'iso.duration': z.iso.duration(),
	array: z.array(z.int()),
	'array.nonempty.max': z.array(z.string()).nonempty().max(3),
	tuple: z.tuple([z.string(), z.number()]),
	'tuple.rest': z.tuple([z.string()], z.number()),
	object: z.object({ a: z.string(), b: z.int().optional(), c: z.string().nullable() }),
	strictObject: z.strictObject({ a: z.string().optional() }),
	looseObject: z.looseObject({ a: z.string() }),
	'object.catchall': z.object({ a: z.string() }).catchall(z.number()),
	'object.partial': z.object({ a: z.string(), b: z.boolean() }).partial(),
	record: z.record(z.string(), z.number()),
	'record.enum': z.record(z.enum(['a', 'b']), z.int()),
	'record.regex': z.record(z.string().regex(/^[a-z]{1,3}$/), z.boolean()),
	partialRecord: z.partialRecord(z.enum(['a', 'b']), z.int()),
	nullable: z.string().nullable(),
	default: z.string().default('x'),
	union: z.union([z.string(), z.int()]),
	discriminatedUnion: z.discriminatedUnion('kind', [cat, dog]),
	intersection: z.intersection(z.object({ a: z.string() }), z.object({ b: z.int() })),
	never: z.never(),
	json: z.json(),
	recursive: category,
}

export function zodSchema(type: z.ZodType): unknown {
	return z.toJSONSchema(type)
}

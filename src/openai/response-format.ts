import { missingParameter } from '../lib/api-errors.ts'
import type { ResponseFormat } from './schemas/chat.ts'

/** The JSON schema that a format asks for; null = free text. `param` is the field's name. */
export function toJsonSchema(format: ResponseFormat | undefined, param: string): object | null {
	switch (format?.type) {
		case undefined:
		case 'text':
			return null
		case 'json_object':
			return { type: 'object' }
		case 'json_schema': {
			const schema = format.json_schema?.schema
			if (schema === undefined) throw missingParameter(`${param}.json_schema.schema`)
			return schema
		}
	}
}

import { Type } from '@sinclair/typebox'

/** Body of every answer that is not a success. */
export const ErrorSchema = Type.Object(
	{
		error: Type.Object({
			message: Type.String({ description: 'What was expected and what came.' }),
			type: Type.String({ example: 'invalid_request_error' }),
			param: Type.String({ nullable: true, description: 'The field at fault.' }),
			code: Type.String({ nullable: true, example: 'invalid_type' }),
		}),
	},
	{ description: 'Anything that went wrong, on every path.' },
)

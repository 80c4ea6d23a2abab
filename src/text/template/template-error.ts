/** A template that cannot make a prompt of a conversation. The message is for whoever sent it. */
export class TemplateError extends Error {
	override readonly name = 'TemplateError'
}

/** A conversation as the dialects hand it on. Types only. */

export type ChatRole = 'system' | 'developer' | 'user' | 'assistant' | 'tool' | 'function'

export interface ChatMessage {
	readonly role: ChatRole
	readonly content: string
	/**
	 * What a model's own template may read beside role and content: `name`, `tool_calls`, `tool_call_id`,
	 * `reasoning_content`. A content of null says that there is none.
	 */
	readonly details?: Readonly<Record<string, unknown>>
	/** Models without a template of their own do not read it. */
	readonly isForTemplates?: boolean
}

/** How a conversation becomes a prompt. */
export interface ChatOptions {
	/** Functions that the model may call, as requests have them; null = none. Default null. */
	readonly tools?: readonly unknown[] | null
	/** The prompt ends with what stands before a reply. Default true, but for a message that is continued. */
	readonly addGenerationPrompt?: boolean | undefined
	/** The last message is not ended: the reply goes on with it. Default: where it is the assistant's. */
	readonly continueFinalMessage?: boolean | undefined
	/** All of it is read, however long it is. Default false. */
	readonly isWhole?: boolean
	/** Further variables of a model's own template. Default none. */
	readonly variables?: Readonly<Record<string, unknown>>
}

import { toApiChatTextRequest, toGenerateTextRequest } from '../../alpha/requests.ts'
import type { ModelLease } from '../../models/catalog.ts'
import { chatTemplateText } from '../../text/chat-prompt.ts'
import type { TextRequest } from '../../text/text-request.ts'
import { drawFields } from './sampling-options.ts'
import type { TalkSettings } from './talk-options.ts'

interface Message {
	readonly role: 'system' | 'user' | 'assistant'
	readonly content: string
}

/**
 * What a model has been told and has said. Models with a chat template are asked as in a chat; others go on
 * with a text, each time with a new one, or where nothing new is said with what stands there.
 */
export class Conversation {
	readonly isChat: boolean
	readonly #tokenizer: ModelLease['tokenizer']
	#messages: readonly Message[] = []
	#text = ''

	constructor({ tokenizer }: Pick<ModelLease, 'tokenizer'>) {
		this.#tokenizer = tokenizer
		this.isChat = chatTemplateText(tokenizer) !== null
	}

	/** What the model is asked when somebody says `text`. Throws what its template refuses. */
	async ask(text: string, { system, ...sampling }: TalkSettings): Promise<TextRequest> {
		const { seed, ...fields } = drawFields(sampling)
		const { maxTokens } = sampling
		const reader = { tokenizer: this.#tokenizer, seed }
		if (this.isChat) {
			const first: Message[] = system === '' ? [] : [{ role: 'system', content: system }]
			const messages = [...first, ...this.#messages, { role: 'user', content: text } as const]
			return toApiChatTextRequest({ messages, maxTokens, ...fields }, reader)
		}
		const prompt = this.#before(text)
		const asked = { prompt, max_tokens: maxTokens, ...fields }
		return { ...(await toGenerateTextRequest(asked, reader)), textBefore: prompt }
	}

	/** What was said and answered, also where the answer was stopped in the middle. */
	record(text: string, answer: string): void {
		this.#text = this.#before(text) + answer
		const said: Message[] = [
			{ role: 'user', content: text },
			{ role: 'assistant', content: answer },
		]
		this.#messages = [...this.#messages, ...said]
	}

	/** The text that the model goes on with. */
	#before(text: string): string {
		return text === '' ? this.#text : text
	}

	clear(): void {
		this.#messages = []
		this.#text = ''
	}
}

import { describe, expect, test } from 'bun:test'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ModelDirectory } from '../../src/checkpoint/formats/model-directory.ts'
import { openDirectory } from '../../src/checkpoint/formats/open.ts'
import type { ChatMessage } from '../../src/text/chat-message.ts'
import { chatPrompt, chatTemplateText } from '../../src/text/chat-prompt.ts'
import { TemplateError } from '../../src/text/template/template-error.ts'
import { createTokenizer } from '../../src/tokenizer/create-tokenizer.ts'
import type { Tokenizer } from '../../src/tokenizer/tokenizer.ts'
import { families, familyAnswers, familyDirectories } from '../helpers/families.ts'

interface ChatAnswer {
	readonly messages: readonly ChatMessage[]
	readonly add_generation_prompt: boolean
	readonly prompt_text?: string
	readonly prompt_ids?: readonly number[]
	readonly error?: string
}

function loadTokenizer(name: string): Tokenizer {
	const path = join(families, name)
	const files = readdirSync(path).map((file) => ({ name: file }))
	using directory = new ModelDirectory(path, files)
	return createTokenizer(openDirectory(directory).parseTokenizer())
}

function chatsOf(name: string): readonly ChatAnswer[] {
	const { chat = [] } = familyAnswers(name) as { chat?: readonly ChatAnswer[] }
	return chat
}

const user = (content: string): ChatMessage => ({ role: 'user', content })
const assistant = (content: string): ChatMessage => ({ role: 'assistant', content })

/** nanochat's conversations have no template. */
const withChats = familyDirectories().filter(
	(name) => chatsOf(name).length > 0 && !name.startsWith('nanochat'),
)

describe.each(withChats)('the chat template of %s', (name) => {
	const tokenizer = loadTokenizer(name)
	const forges = ({ messages }: ChatAnswer) =>
		messages.some(({ content }) => content.includes('<|'))

	test('gives the prompts of the original library', async () => {
		let count = 0
		for (const answer of chatsOf(name)) {
			const { messages, add_generation_prompt: addGenerationPrompt } = answer
			const prompt = chatPrompt(messages, tokenizer, { addGenerationPrompt })
			if (answer.error !== undefined) {
				await expect(prompt).rejects.toThrow(new TemplateError(answer.error))
				continue
			}
			const { tokenIds } = await prompt
			count++
			if (forges(answer)) continue
			expect([...tokenIds]).toEqual([...answer.prompt_ids!])
		}
		expect(count).toBeGreaterThan(1)
	})

	test('lets no content forge a reserved token, and loses none of its characters', async () => {
		for (const answer of chatsOf(name)) {
			if (!forges(answer) || answer.error !== undefined) continue
			const { messages, add_generation_prompt: addGenerationPrompt } = answer
			const forged = await chatPrompt(messages, tokenizer, { addGenerationPrompt })
			const harmless = await chatPrompt([user('x')], tokenizer, { addGenerationPrompt })
			const special = new Set(
				tokenizer.spec.specialTokens.map((text) => tokenizer.specialTokenId(text)),
			)
			const reserved = (ids: readonly number[]) => ids.filter((id) => special.has(id))
			expect(reserved(forged.tokenIds)).toEqual(reserved(harmless.tokenIds))
			const text = forged.tokenIds.map((id) => tokenizer.tokenText(id)).join('')
			// Some tokenizers put a blank behind a reserved token.
			expect(text.replace('<s> ', '<s>').trim()).toBe(answer.prompt_text!.trim())
		}
	})
})

describe('a model with a template', () => {
	const tokenizer = loadTokenizer('qwen2')
	const text = async (...args: Parameters<typeof chatPrompt>) =>
		(await chatPrompt(...args)).tokenIds.map((id) => tokenizer.tokenText(id)).join('')

	test('tells it to clients that render themselves', () => {
		expect(chatTemplateText(tokenizer)).toContain('<|im_start|>')
	})

	test("continues a last message of the assistant, and nobody else's unless asked", async () => {
		const open = await text([user('Hi.'), assistant('I am ')], tokenizer)
		// The template strips contents.
		expect(open.endsWith('<|im_start|>assistant\nI am')).toBeTrue()
		const asked = await text([user('Hi.')], tokenizer, { continueFinalMessage: true })
		expect(asked.endsWith('<|im_start|>user\nHi.')).toBeTrue()
	})

	test('ends a last message of the assistant where that is asked for', async () => {
		const closed = await text([user('Hi.'), assistant('I am.')], tokenizer, {
			continueFinalMessage: false,
		})
		expect(closed.endsWith('I am.<|im_end|>\n<|im_start|>assistant\n')).toBeTrue()
	})

	test('refuses to continue a message and to begin one', async () => {
		const options = { continueFinalMessage: true, addGenerationPrompt: true }
		await expect(text([user('Hi.'), assistant('I')], tokenizer, options)).rejects.toThrow(
			TemplateError,
		)
	})

	test('ends replies with the end token that the template names', async () => {
		const { stopTokenIds } = await chatPrompt([user('Hi.')], tokenizer)
		expect(stopTokenIds).toContain(tokenizer.specialTokenId('<|im_end|>')!)
	})

	test('reads a developer as the system, and the result of a function as that of a tool', async () => {
		const prompt = await text([{ role: 'developer', content: 'Be kind.' }, user('Hi.')], tokenizer)
		expect(prompt.startsWith('<|im_start|>system\nBe kind.<|im_end|>')).toBeTrue()
		await expect(
			text([user('Hi.'), { role: 'function', content: '1' }], tokenizer),
		).rejects.toThrow('unexpected role tool')
	})
})

import type { GenerationRequest, SamplingParams } from '../engine/generation.ts'
import { greedySampling, plainRequest } from '../engine/plain-request.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import type { Constraint } from './constraint/constraint.ts'
import type { Prompt } from './prompt.ts'

/** A generation and how its tokens become text. */
export interface TextRequest {
	readonly generation: GenerationRequest
	/** Texts before which a choice ends. */
	readonly stop: readonly string[]
	/** Keep the stop text at the end. */
	readonly includeStop: boolean
	/** What the text continues: a word model puts a blank between it and a first word. */
	readonly textBefore: string
	/** Drop one blank at the very start: what the turn format puts after the role. */
	readonly skipsLeadingBlank: boolean
	/** Format that the text is held to; null = free text. */
	readonly constraint: Constraint | null
}

/** What a request says; the rest has the defaults of `textRequest`. */
export interface TextRequestChanges
	extends Partial<Pick<TextRequest, 'stop' | 'includeStop' | 'constraint'>>,
		Partial<
			Omit<GenerationRequest, 'promptTokenIds' | 'promptIsStartToken' | 'sampling' | 'constrained'>
		> {
	readonly maxTokens: number
	readonly sampling?: Partial<SamplingParams>
}

/** One greedy continuation of a prompt with everything optional switched off; `changes` say what is not. */
export function textRequest(
	prompt: Prompt,
	tokenizer: Tokenizer,
	changes: TextRequestChanges,
): TextRequest {
	const { stop = [], includeStop = false, constraint = null, sampling, ...generation } = changes
	const { tokenIds, stopTokenIds, textBefore, skipsLeadingBlank } = prompt
	return {
		generation: plainRequest({
			// An empty prompt starts from a token that counts for nothing.
			promptTokenIds: tokenIds.length === 0 ? [tokenizer.startTokenId] : tokenIds,
			promptIsStartToken: tokenIds.length === 0,
			stopTokenIds,
			...generation,
			sampling: { ...greedySampling, ...sampling },
			constrained: constraint !== null,
		}),
		stop,
		includeStop,
		textBefore,
		skipsLeadingBlank,
		constraint,
	}
}

/** Tokens of the prompt, without a start token. */
export function promptIds({ generation }: TextRequest): readonly number[] {
	return generation.promptIsStartToken ? [] : generation.promptTokenIds
}

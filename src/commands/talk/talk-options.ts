import { textOption } from '../settings/option-kinds.ts'
import type { Values } from '../settings/options.ts'
import { samplingOptions } from './sampling-options.ts'

/** What `/set` changes in the middle of a conversation. */
export const talkOptions = {
	...samplingOptions,
	system: textOption({
		flag: '--system',
		placeholder: 'TEXT',
		defaultValue: '',
		help: 'what a chat model is told first',
	}),
}

export type TalkSettings = Values<typeof talkOptions>

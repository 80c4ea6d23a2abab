/** An ordinary chat page: `useChat` with the text stream transport. The query says whom to ask what. */
import { useChat } from '@ai-sdk/react'
import { TextStreamChatTransport } from 'ai'
import { createRoot } from 'react-dom/client'

const query = new URLSearchParams(location.search)
const transport = new TextStreamChatTransport({
	api: query.get('api') ?? '/api/chat',
	body: {
		model: query.get('model'),
		maxTokens: Number(query.get('maxTokens') ?? 60),
		temperature: 0,
	},
})

function Chat() {
	const { messages, sendMessage, stop, status, error } = useChat({ transport, resume: true })
	return (
		<main data-status={status}>
			{messages.map(({ id, role, parts }) => (
				<p key={id} className={role}>
					{parts.map((part) => (part.type === 'text' ? part.text : '')).join('')}
				</p>
			))}
			{error && <output>{error.message}</output>}
			<button
				type="button"
				id="send"
				onClick={() => sendMessage({ text: query.get('text') ?? '' })}
			>
				Send
			</button>
			<button type="button" id="stop" onClick={stop}>
				Stop
			</button>
		</main>
	)
}

createRoot(document.body.appendChild(document.createElement('div'))).render(<Chat />)

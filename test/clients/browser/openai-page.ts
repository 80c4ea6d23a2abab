/** The `openai` package in a page of another origin; every request needs a preflight. */
import OpenAI from 'openai'

const query = new URLSearchParams(location.search)
const client = new OpenAI({
	baseURL: query.get('api') ?? '',
	apiKey: 'any-key',
	dangerouslyAllowBrowser: true,
	maxRetries: 0,
})

try {
	const stream = client.chat.completions.stream({
		model: query.get('model') ?? '',
		messages: [{ role: 'user', content: query.get('text') ?? '' }],
		temperature: 0,
	})
	document.body.textContent = await stream.finalContent()
} catch (error) {
	document.body.textContent = String(error)
}
document.body.dataset['status'] = 'done'

/** OpenAI's clients for Go and Java; the Java client checks every answer against its types. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describeClient, runClient } from './client-checks.ts'

/** Where test/install.ts puts what they need. */
const cache = join(import.meta.dir, '../../node_modules/.cache')
const java = join(import.meta.dir, 'java/OpenAiClient.java')

for (const [title, directory, command] of [
	['Go openai-go', 'go-client', ['client']],
	['Java openai-java', 'java-client', ['java', '-cp', 'jars/*', java]],
] as const) {
	const home = join(cache, directory)
	const isInstalled = existsSync(join(home, 'installed.txt'))
	const paths = command.map((word) => (/^(client|jars)/.test(word) ? join(home, word) : word))
	describeClient(title, isInstalled ? await runClient(paths) : null)
}

/** A terminal for programs that draw: a session of tmux with a server of its own. */

import { join } from 'node:path'
import { eventually } from './eventually.ts'
import { finishedOf } from './finished.ts'
import { tempDir } from './temp-dir.ts'

/** False where there is no tmux; tests that need it say so in their names. */
export const hasTmux = Bun.which('tmux') !== null

export interface Terminal extends AsyncDisposable {
	/** Keys by tmux's names: `Enter`, `Up`, `C-c`, `Tab`; other words are typed as they are. */
	press(...keys: string[]): Promise<void>
	/** Types a text as it is. */
	type(text: string): Promise<void>
	/** The screen and what has scrolled out of it, with wrapped lines joined. */
	screen(): Promise<string>
	/** Waits until the screen shows it. */
	shows(text: string | RegExp): Promise<void>
}

const WAIT_MS = 20_000

/** Runs a command of the shell in a terminal of 100 by 40, with nothing of our environment but PATH. */
export async function openTerminal(
	command: string,
	env: Readonly<Record<string, string>> = {},
): Promise<Terminal> {
	const directory = tempDir()
	const tmux = async (...args: string[]) => {
		const child = Bun.spawn(['tmux', '-S', join(directory.path, 'socket'), ...args], {
			env: {
				PATH: process.env['PATH'],
				HOME: directory.path,
				LANG: 'C.UTF-8',
				TERM: 'xterm',
				...env,
			},
			stdout: 'pipe',
			stderr: 'pipe',
		})
		const { status, output, errors } = await finishedOf(child)
		if (status !== 0) throw new Error(`tmux ${args[0]}: ${errors}`)
		return output
	}
	await tmux('-f', '/dev/null', 'new-session', '-d', '-x', '100', '-y', '40', command)
	const screen = () => tmux('capture-pane', '-p', '-J', '-S', '-')
	return {
		press: async (...keys) => void (await tmux('send-keys', ...keys)),
		type: async (text) => void (await tmux('send-keys', '-l', text)),
		screen,
		async shows(text) {
			let last = ''
			try {
				await eventually(async () => {
					last = await screen()
					return typeof text === 'string' ? last.includes(text) : text.test(last)
				}, WAIT_MS)
			} catch {
				throw new Error(`expected the terminal to show ${text}, got\n${last.trimEnd()}`)
			}
		},
		async [Symbol.asyncDispose]() {
			await tmux('kill-server').catch(() => {})
			directory[Symbol.dispose]()
		},
	}
}

import { expect, test } from 'bun:test'
import { chmodSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runAlpha } from '../helpers/run-alpha.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const units = join(import.meta.dir, '../../deploy/systemd')
const read = (name: string) => readFileSync(join(units, name), 'utf8')

const isMissing = Bun.which('systemd-analyze') === null
const note = isMissing ? ' (skipped: systemd-analyze is not installed)' : ''

test('alpha systemd prints the socket and the service', async () => {
	const { status, output } = await runAlpha(['systemd'])
	expect(status).toBe(0)
	expect(output).toBe(`${read('alpha.socket')}\n${read('alpha.service')}`)
})

test.skipIf(isMissing)(`systemd understands every line of the units${note}`, async () => {
	using temporary = tempDir()
	const directory = temporary.path
	const program = join(directory, 'alpha')
	writeFileSync(program, '#!/bin/sh\n')
	chmodSync(program, 0o755)
	const service = read('alpha.service').replace('/usr/local/bin/alpha', program)
	writeFileSync(join(directory, 'alpha.service'), service)
	copyFileSync(join(units, 'alpha.socket'), join(directory, 'alpha.socket'))
	const paths = ['alpha.service', 'alpha.socket'].map((name) => join(directory, name))
	const child = Bun.spawn(['systemd-analyze', 'verify', '--man=no', ...paths], { stderr: 'pipe' })
	expect(await new Response(child.stderr).text()).toBe('')
	expect(await child.exited).toBe(0)
})

test.skipIf(isMissing)(`what the service is exposed to is at most 2 of 10${note}`, async () => {
	const args = ['security', '--offline=true', '--no-pager', '--threshold=20']
	const path = join(units, 'alpha.service')
	const child = Bun.spawn(['systemd-analyze', ...args, path], { stdout: 'pipe', stderr: 'ignore' })
	expect(await new Response(child.stdout).text()).toContain('Overall exposure level')
	expect(await child.exited).toBe(0)
})

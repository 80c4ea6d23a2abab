/** A server whose engine hangs: what its log tells, and how it ends. */
import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startAlpha } from '../helpers/alpha-server.ts'
import { tempDir } from '../helpers/temp-dir.ts'

/** Stands before the C library's function: from the kernels it does not come back once the file is there. */
const HANGING_BROADCAST = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int pthread_cond_broadcast(pthread_cond_t *condition) {
    Dl_info caller = {0};
    dladdr(__builtin_return_address(0), &caller);
    const int is_ours = caller.dli_fname != NULL && strstr(caller.dli_fname, "/proc/self/fd/") != NULL;
    while (is_ours && access(getenv("HANG_FILE"), F_OK) == 0)
        pause();
    int (*next)(pthread_cond_t *) = (int (*)(pthread_cond_t *))dlsym(RTLD_NEXT, "pthread_cond_broadcast");
    return next(condition);
}
`

const compiler = Bun.which(process.env['CC'] ?? 'cc')
const canHang = compiler !== null && process.platform === 'linux'

describe.skipIf(!canHang)(
	`an engine that hangs in a kernel${canHang ? '' : ' (skipped: no C compiler, or no Linux)'}`,
	() => {
		test('ends the process with status 1, and the log has where it hangs', async () => {
			using directory = tempDir()
			const library = join(directory.path, 'hang.so')
			const source = join(directory.path, 'hang.c')
			const hangFile = join(directory.path, 'hang')
			writeFileSync(source, HANGING_BROADCAST)
			const flags = ['-shared', '-fPIC', '-o', library, source, '-ldl']
			expect(Bun.spawnSync([compiler ?? '', ...flags]).exitCode).toBe(0)
			await using server = await startAlpha({
				args: ['--threads=2', '--log-format=json'],
				env: { LD_PRELOAD: library, HANG_FILE: hangFile },
			})
			const ask = (prompt: string) =>
				fetch(`${server.url}/v1/completions`, {
					method: 'POST',
					headers: { 'content-type': 'application/json' },
					body: JSON.stringify({ prompt, max_tokens: 1 }),
				})
			expect((await ask('Once upon a time')).status).toBe(200)
			writeFileSync(hangFile, '')
			// Many rows are computed by all threads, which are asleep and must be woken.
			const answer = await ask('There was a king who had a daughter. '.repeat(4))
			expect(answer.status).toBe(500)
			expect(await server.stop()).toBe(1)
			const lines = server.log().split('\n').filter(Boolean)
			const told: Record<string, unknown>[] = lines.map((line) => JSON.parse(line))
			const hang = told.find(({ message }) => message === 'the engine worker hangs')
			expect(Number(hang?.['running']) + Number(hang?.['waiting'])).toBe(1)
			expect(hang?.['rowsOfLastStep']).toBeGreaterThan(8)
			const place = told.find(({ message }) => message === 'where the engine worker is')
			const stack = place?.['stack'] as string[]
			expect(place).toMatchObject({ state: 'S' })
			expect(stack.findIndex((frame) => frame.startsWith('hang.so+'))).toBeGreaterThanOrEqual(0)
			expect(stack.findIndex((frame) => /^(publish|pool_run)\+/.test(frame))).toBeGreaterThan(0)
			expect(server.log()).toContain('engine worker hangs: computing for 10 s')
		}, 60_000)
	},
)

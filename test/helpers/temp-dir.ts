import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A fresh directory that is gone when its scope ends. */
export function tempDir(): Disposable & { readonly path: string } {
	const path = mkdtempSync(join(tmpdir(), 'alpha-test-'))
	return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

/** The system's Chromium; null where there is none. */
export const chromiumPath = Bun.which('chromium') ?? Bun.which('chromium-browser')

/** What stands behind the name of tests that need it. */
export const chromiumNote =
	chromiumPath === null ? ' (skipped: no chromium; Debian: apt install chromium)' : ''

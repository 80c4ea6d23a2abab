/** Root may read and write everything, whatever the permissions say. */
export const isRoot = process.getuid?.() === 0

/** What stands behind the name of tests of permissions. */
export const rootNote = isRoot ? ' (skipped: root is refused nothing)' : ''

/** Cells in columns, each as wide as its widest cell; lines end where their text ends. */
export function formatTable(rows: readonly (readonly string[])[]): string {
	const columns = Math.max(0, ...rows.map((row) => row.length))
	const widths = Array.from({ length: columns }, (_, column) =>
		Math.max(...rows.map((row) => row[column]?.length ?? 0)),
	)
	const lines = rows.map((row) =>
		row.map((cell, column) => cell.padEnd(widths[column]!)).join('  '),
	)
	return lines.map((line) => `${line.trimEnd()}\n`).join('')
}

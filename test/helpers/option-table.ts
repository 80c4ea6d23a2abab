import { type OptionTable, optionUsage } from '../../src/commands/options.ts'

/** The options as a Markdown table. */
export function formatMarkdown(table: OptionTable): string {
	const code = (text: string | undefined) => (text === undefined ? '' : `\`${text}\``)
	const rows = Object.values(table).map((option) => {
		const flag = option.flag === undefined ? undefined : optionUsage(option)
		const variables = [option.env, option.commonEnv, option.envFile].filter(
			(name) => name !== undefined,
		)
		const accepts = option.accepts === '' ? '' : ` (${option.accepts})`
		const cells = [
			code(flag?.replaceAll('|', '\\|')),
			variables.map(code).join(', '),
			option.defaultText,
			`${option.help}${accepts}`,
		]
		return `| ${cells.join(' | ')} |`
	})
	return ['| option | environment | default | meaning |', '|---|---|---|---|', ...rows].join('\n')
}

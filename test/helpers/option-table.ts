import { type OptionTable, variablesOf } from '../../src/commands/settings/option.ts'
import { optionUsage } from '../../src/commands/settings/options.ts'

/** The options as a Markdown table. */
export function formatMarkdown(table: OptionTable): string {
	const code = (text: string | undefined) => (text === undefined ? '' : `\`${text}\``)
	const rows = Object.values(table).map((option) => {
		const flag = option.flag === undefined ? undefined : optionUsage(option)
		const accepts = option.accepts === '' ? '' : ` (${option.accepts})`
		const cells = [
			code(flag?.replaceAll('|', '\\|')),
			variablesOf(option).map(code).join(', '),
			option.defaultText,
			`${option.help}${accepts}`,
		]
		return `| ${cells.join(' | ')} |`
	})
	return ['| option | environment | default | meaning |', '|---|---|---|---|', ...rows].join('\n')
}

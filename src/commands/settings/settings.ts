/** What makes an option a setting: names for it in the environment and in a settings file. */

import type { Option, OptionTable } from './option.ts'
import { textOption } from './option-kinds.ts'

/** The option that names the settings file. */
const settingsFileOption = textOption({
	flag: '--config',
	env: ['ALPHA_CONFIG'],
	placeholder: 'FILE',
	defaultValue: null,
	help: 'file of settings (TOML)',
})

/**
 * The same options with the names of settings: `--kv-memory` is also the variable `ALPHA_KV_MEMORY`, before
 * other variables of the option, and the key `kv-memory` of the file that a further row names. Switches are
 * named by what they turn on or off.
 */
export function settings<Table extends OptionTable>(table: Table) {
	const named = Object.entries(table).map(([name, option]) => [name, withNames(option)] as const)
	return { config: settingsFileOption, ...(Object.fromEntries(named) as Table) }
}

function withNames(option: Option<unknown>): Option<unknown> {
	const key = option.key ?? option.flag?.replace(/^--(no-)?/, '')
	if (key === undefined) return option
	return { ...option, key, env: [variableOf(key), ...(option.env ?? [])] }
}

/** `ALPHA_KV_MEMORY` for `kv-memory`. */
export function variableOf(key: string): string {
	return `ALPHA_${key.replaceAll('-', '_').toUpperCase()}`
}

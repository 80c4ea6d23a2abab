/** config.json of a run, as far as listings need it. */
import { describeValue, isRecord, withoutByteOrderMark } from '../../lib/json.ts'
import { JSON_DEPTH_MAX, nestsDeeperThan } from '../../lib/json-scan.ts'

export interface RunConfig {
	/** As written there; {} when absent. */
	readonly modelConfig: Readonly<Record<string, unknown>>
	readonly trainConfig: Readonly<Record<string, unknown>>
	readonly domain: string | null
	/** Never empty: it is another name of the run. */
	readonly runId: string | null
}

/** Largest config.json that is read. */
export const CONFIG_BYTES_MAX = 2 ** 22

/** The fields of a config.json, or what is wrong with it. */
export function parseRunConfig(text: string): RunConfig | string {
	if (nestsDeeperThan(text, JSON_DEPTH_MAX)) {
		return `config.json: expected at most ${JSON_DEPTH_MAX} brackets within each other, got more`
	}
	let value: unknown
	try {
		value = JSON.parse(withoutByteOrderMark(text))
	} catch {
		return 'config.json: expected valid JSON'
	}
	if (!isRecord(value)) return `config.json: expected an object, got ${describeValue(value)}`
	const { modelConfig, trainConfig, domain, runId } = value
	return {
		modelConfig: isRecord(modelConfig) ? modelConfig : {},
		trainConfig: isRecord(trainConfig) ? trainConfig : {},
		domain: typeof domain === 'string' ? domain : null,
		runId: typeof runId === 'string' && runId !== '' ? runId : null,
	}
}

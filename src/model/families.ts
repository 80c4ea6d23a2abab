import { assertNever } from '../lib/assert.ts'
import { alphaNetwork } from './families/alpha.ts'
import type { Network } from './families/family.ts'
import type { ModelConfig } from './model-config.ts'

/** The network of a config: the only place that knows all families. */
export function networkOf(config: ModelConfig): Network {
	switch (config.family) {
		case 'alpha':
			return alphaNetwork(config)
		default:
			return assertNever(config.family)
	}
}

import { expect, test } from 'bun:test'
import { type BannerFacts, formatBanner } from '../../../src/commands/serving/banner.ts'

const facts: BannerFacts = {
	version: '1.2.3',
	url: 'http://127.0.0.1:8080',
	isaName: 'avx2',
	threads: 2,
	dtype: 'f32',
	memoryBytesMax: 2 ** 30,
	checkpoints: './checkpoints',
	served: [],
	unserved: [],
	acceptsUploads: true,
	isOpenToAll: false,
	isHiddenFromPlatform: false,
}

test('a platform that chose the port is told what it needs to connect', () => {
	expect(formatBanner({ ...facts, isHiddenFromPlatform: true })).toContain(
		'  platform   PORT is set, but only this machine can connect: a platform needs ALPHA_HOST=0.0.0.0\n',
	)
	expect(formatBanner(facts)).not.toContain('platform')
})

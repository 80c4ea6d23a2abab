/**
 * llama.cpp built for this machine from the source package of llama-cpp-python, which carries it whole:
 * once, into a directory that git ignores. Needs Python, CMake, Ninja and a C++ compiler. LLAMA_CPP_BIN
 * names a directory with a build of one's own instead.
 */
import { existsSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'

export const LLAMA_CPP_PACKAGE = 'llama_cpp_python==0.3.36'
const CACHE = join(import.meta.dir, '../../node_modules/.cache/bench-llama-cpp')

/** Options that a build for one machine needs, and none that fetches anything. */
const OPTIONS = [
	'-DCMAKE_BUILD_TYPE=Release',
	'-DGGML_NATIVE=ON',
	'-DBUILD_SHARED_LIBS=OFF',
	'-DLLAMA_CURL=OFF',
	'-DLLAMA_OPENSSL=OFF',
	'-DLLAMA_BUILD_TESTS=OFF',
	'-DLLAMA_BUILD_EXAMPLES=OFF',
]

export type LlamaProgram = 'llama-bench' | 'llama-server'

/** Path of the program. */
export async function buildLlamaCpp(program: LlamaProgram): Promise<string> {
	const own = process.env['LLAMA_CPP_BIN']
	if (own !== undefined) return join(own, program)
	const build = join(CACHE, 'build')
	const path = join(build, 'bin', program)
	if (existsSync(path)) return path
	const source = join(CACHE, 'source')
	if (!existsSync(join(build, 'build.ninja'))) {
		await Bun.$`mkdir -p ${source}`
		await Bun.$`python3 -m pip download --quiet --no-deps --no-binary :all: --dest ${CACHE} ${LLAMA_CPP_PACKAGE}`
		const archive = `${LLAMA_CPP_PACKAGE.replace('==', '-')}.tar.gz`
		await Bun.$`tar xzf ${join(CACHE, archive)} --strip-components=1 --directory=${source}`
		await Bun.$`cmake -G Ninja -S ${join(source, 'vendor/llama.cpp')} -B ${build} ${OPTIONS}`.quiet()
	}
	await Bun.$`ninja -C ${build} -j ${cpus().length} ${program}`.quiet()
	return path
}

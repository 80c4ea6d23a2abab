// Runs before every test process: the kernels that the tests open are those of the sources.
import { BuildError, buildLibrary } from '../build.ts'

try {
	await buildLibrary({ architecture: process.arch, ifChanged: true })
} catch (error) {
	if (!(error instanceof BuildError)) throw error
	console.error(error.message)
	process.exit(1)
}

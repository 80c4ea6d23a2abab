/* Podman where there is no systemd, which would call health checks, and where no limit can be raised. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from '../../deploy/release/command.ts'

const SETTINGS = `
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
`

/** Variables under which podman runs here, also for programs that call it; `directory` keeps its settings. */
export function podmanEnv(directory: string): Readonly<Record<string, string>> {
	const path = join(directory, 'containers.conf')
	writeFileSync(path, SETTINGS)
	return { CONTAINERS_CONF: path, DISABLE_HC_SYSTEMD: 'true' }
}

export type Podman = (...args: readonly string[]) => Promise<string>

/** Podman as a function; it throws what podman said when it fails. */
export function podmanIn(directory: string): Podman {
	const env = podmanEnv(directory)
	return (...args) => runCommand(['podman', ...args], { env })
}

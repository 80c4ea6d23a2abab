import { writeSync } from 'node:fs'

export function writeAll(fd: number, bytes: Uint8Array): void {
	for (let at = 0; at < bytes.byteLength; ) at += writeSync(fd, bytes, at)
}

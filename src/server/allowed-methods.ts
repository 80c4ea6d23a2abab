/** A route as Elysia lists it. */
interface Route {
	readonly method: string
	readonly path: string
}

/** For a path, the methods that some route has for it. The routes are read at the first question. */
export function allowedMethods(routes: () => readonly Route[]): (path: string) => string[] {
	let patterns: { method: string; pattern: RegExp }[] | null = null
	return (path) => {
		patterns ??= routes().map((route) => ({ method: route.method, pattern: toPattern(route) }))
		const matching = patterns.filter(({ pattern }) => pattern.test(path))
		const methods = new Set(matching.map(({ method }) => method))
		if (methods.has('GET')) methods.add('HEAD')
		return [...methods]
	}
}

function toPattern({ path }: Route): RegExp {
	const source = path
		.replaceAll('.', '\\.')
		.replaceAll('*', '.*')
		.replace(/:[^/]+/g, '[^/]+')
	return new RegExp(`^${source.replace(/\/$/, '')}/?$`)
}

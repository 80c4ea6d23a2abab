/** A route as Elysia lists it. */
export interface Route {
	readonly method: string
	readonly path: string
}

interface Pattern extends Route {
	readonly pattern: RegExp
}

/** Which routes there are, for what is answered or counted outside of them. */
export class RouteTable {
	#patterns: readonly Pattern[] = []

	/** To be called once, when all routes are known. */
	fill(routes: readonly Route[]): void {
		this.#patterns = routes.map(({ method, path }) => {
			const source = path
				.replaceAll('.', '\\.')
				.replaceAll('*', '.*')
				.replace(/:[^/]+/g, '[^/]+')
			return { method, path, pattern: new RegExp(`^${source.replace(/\/$/, '')}/?$`) }
		})
	}

	/** The methods that some route has for a path. */
	methodsOf(path: string): string[] {
		const matching = this.#patterns.filter(({ pattern }) => pattern.test(path))
		const methods = new Set(matching.map(({ method }) => method))
		if (methods.has('GET')) methods.add('HEAD')
		return [...methods]
	}

	/** The route's own path, for instance `/v1/models/:id`; undefined when there is no such route. */
	patternOf(path: string): string | undefined {
		return this.#patterns.find(({ pattern }) => pattern.test(path))?.path
	}
}

/** Who may ask: anybody, those with an API key where there are keys, or those with the upload secret. */
export type Security = 'none' | 'key' | 'uploadSecret'

interface Declaration {
	/** Not in the document: a page. */
	readonly hide?: boolean
	/** As OpenAPI has it. */
	readonly security?: readonly object[]
	readonly 'x-takes-place'?: boolean
}

/** A route as Elysia lists it. */
interface ElysiaRoute {
	readonly method: string
	readonly path: string
	readonly hooks: { readonly detail?: Declaration }
}

export interface Route {
	readonly method: string
	/** With the names of its parameters, for instance `/v1/models/:id`. */
	readonly path: string
	readonly security: Security
	/** It computes, and so waits for a place on a model. */
	readonly takesPlace: boolean
}

interface Pattern extends Route {
	readonly pattern: RegExp
}

/** Which routes there are and what they declare, for what happens outside of them. */
export class RouteTable {
	readonly #exact = new Map<string, Route[]>()
	#patterns: readonly Pattern[] = []

	/** To be called once, when all routes are known. */
	fill(routes: readonly ElysiaRoute[]): void {
		const declared = routes.map(({ method, path, hooks }) => {
			const takesPlace = hooks.detail?.['x-takes-place'] ?? false
			return { method, path, security: securityOf(hooks.detail), takesPlace }
		})
		for (const route of declared.filter(({ path }) => !/[:*]/.test(path))) {
			this.#exact.set(route.path, [...(this.#exact.get(route.path) ?? []), route])
		}
		this.#patterns = declared
			.filter(({ path }) => /[:*]/.test(path))
			.map((route) => ({ ...route, pattern: patternOf(route.path) }))
	}

	/** The route that answers; undefined when there is none. */
	find(method: string, path: string): Route | undefined {
		const wanted = method === 'HEAD' ? 'GET' : method
		return this.#at(path).find((route) => route.method === wanted)
	}

	/** The methods that some route has for a path. */
	methodsOf(path: string): string[] {
		const methods = new Set(this.#at(path).map(({ method }) => method))
		if (methods.has('GET')) methods.add('HEAD')
		return [...methods]
	}

	/** The path that a route declares for a request's path; undefined when there is no such route. */
	patternOf(path: string): string | undefined {
		return this.#at(path)[0]?.path
	}

	/** Routes of a path, which may end in a slash. */
	#at(path: string): readonly Route[] {
		const exact = this.#exact.get(path) ?? this.#exact.get(path.replace(/\/$/, ''))
		return exact ?? this.#patterns.filter(({ pattern }) => pattern.test(path))
	}
}

function securityOf({ hide = false, security }: Declaration = {}): Security {
	if (hide || security?.length === 0) return 'none'
	return security?.some((scheme) => 'uploadSecret' in scheme) ? 'uploadSecret' : 'key'
}

function patternOf(path: string): RegExp {
	const source = path
		.replaceAll('.', '\\.')
		.replaceAll('*', '.*')
		.replace(/:[^/]+/g, '[^/]+')
	return new RegExp(`^${source}/?$`)
}

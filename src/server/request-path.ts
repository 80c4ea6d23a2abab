/** Paths without `new URL`, which throws on what some clients send as Host. */

/** The path of a request's URL, without query. */
export function requestPath(request: Request): string {
	const { url } = request
	const start = pathStart(url)
	const query = url.indexOf('?', start)
	return query === -1 ? url.slice(start) : url.slice(start, query)
}

/** Where the path starts in an absolute URL, or in the bare path of a request without Host. */
export function pathStart(url: string): number {
	const scheme = url.indexOf('://')
	const slash = url.indexOf('/', scheme === -1 || scheme > 5 ? 0 : scheme + 3)
	return slash === -1 ? url.length : slash
}

/** Files imported `with { type: 'file' }`: the import is the path of the (embedded) file. */
declare module 'swagger-ui-dist/*' {
	const path: string
	export = path
}

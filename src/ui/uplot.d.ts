/** Files imported `with { type: 'file' }`: the import is the path of the (embedded) file. */
declare module 'uplot/dist/uPlot.esm.js' {
	const path: string
	export = path
}
declare module 'uplot/dist/uPlot.min.css' {
	const path: string
	export = path
}

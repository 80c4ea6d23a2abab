declare module '*.service' {
	const text: string

	export = text
}

declare module '*.socket' {
	const text: string

	export = text
}

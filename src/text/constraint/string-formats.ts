/**
 * Formats of strings as patterns of the whole text. They are narrower than the standards where these
 * have rare corners (leap days and seconds, quoted mailboxes, URIs without an authority), so that every
 * validator agrees.
 */
const DATE =
	'(?!0000)[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|' +
	'(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))'
const TIME =
	'(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?' +
	'(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])'
const TIME_SPAN =
	'(?:[0-9]{1,4}H(?:[0-9]{1,4}M(?:[0-9]{1,4}S)?)?|[0-9]{1,4}M(?:[0-9]{1,4}S)?|[0-9]{1,4}S)'
const DATE_SPAN =
	'(?:[0-9]{1,4}Y(?:[0-9]{1,4}M(?:[0-9]{1,4}D)?)?|[0-9]{1,4}M(?:[0-9]{1,4}D)?|[0-9]{1,4}D)'
const LABEL = '[A-Za-z0-9]{1,12}(?:-[A-Za-z0-9]{1,12})?'
const HOST = `${LABEL}(?:\\.${LABEL}){0,2}`
const MAILBOX = '[A-Za-z0-9_+]{1,12}(?:[.-][A-Za-z0-9_+]{1,12}){0,2}'
const EMAIL = `${MAILBOX}@(?:${LABEL}\\.){1,2}[A-Za-z]{2,6}`
const BYTE = '(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])'
const IPV4 = `(?:${BYTE}\\.){3}${BYTE}`
const GROUP = '[0-9A-Fa-f]{1,4}'
const IPV6 = [
	`(?:${GROUP}:){7}${GROUP}`,
	`(?:${GROUP}:){1,7}:`,
	...[1, 2, 3, 4, 5, 6].map((after) => `(?:${GROUP}:){1,${7 - after}}(?::${GROUP}){1,${after}}`),
	`:(?::${GROUP}){1,7}`,
	'::',
].join('|')
const NAME = '[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*'
const URI =
	`(?:https?|wss?|ftp)://${NAME}(?:\\.${NAME})*(?::[1-9][0-9]{0,3})?(?:/[A-Za-z0-9._~-]+)*/?` +
	'(?:\\?[A-Za-z0-9._~=&-]*)?(?:#[A-Za-z0-9._~-]*)?'
const HEX = '[0-9a-f]'
const uuid = (version: string) =>
	`${HEX}{8}-${HEX}{4}-${version}${HEX}{3}-[89ab]${HEX}{3}-${HEX}{12}`
const BASE64 = (special: string) => `[A-Za-z0-9${special}]`

/** Pattern by name; not among them: a format that is not enforced. */
export const STRING_FORMATS: ReadonlyMap<string, string> = new Map([
	['date', DATE],
	['time', TIME],
	['date-time', `${DATE}T${TIME}`],
	['duration', `P(?:[0-9]{1,4}W|${DATE_SPAN}(?:T${TIME_SPAN})?|T${TIME_SPAN})`],
	['uuid', uuid('[1-8]')],
	['uuid1', uuid('1')],
	['uuid3', uuid('3')],
	['uuid4', uuid('4')],
	['uuid5', uuid('5')],
	['email', EMAIL],
	['idn-email', EMAIL],
	['name-email', EMAIL],
	['hostname', HOST],
	['idn-hostname', HOST],
	['ipv4', IPV4],
	['ipv6', IPV6],
	['ipvanyaddress', IPV4],
	['uri', URI],
	['iri', URI],
	['url', URI],
	['multi-host-uri', URI],
	['uri-reference', URI],
	['iri-reference', URI],
	['json-pointer', '(?:/[A-Za-z0-9_.-]*)*'],
	['byte', `(?:${BASE64('+/')}{4})*(?:${BASE64('+/')}{2}==|${BASE64('+/')}{3}=)?`],
	['base64', `(?:${BASE64('+/')}{4})*(?:${BASE64('+/')}{2}==|${BASE64('+/')}{3}=)?`],
	['base64url', `(?:${BASE64('_-')}{4})*(?:${BASE64('_-')}{2,3})?`],
])

/** Formats that say how a text is shown, stored or made, and not which texts are valid. */
export const UNRESTRICTING_FORMATS: ReadonlySet<string> = new Set([
	'binary',
	'password',
	'path',
	'file-path',
	'directory-path',
	'text',
	'textarea',
	'markdown',
	'html',
	'includes',
	'starts_with',
	'ends_with',
	'float',
	'double',
	'decimal',
	'int64',
])

/** Formats of numbers that bound them. */
export const NUMBER_FORMATS: ReadonlyMap<string, readonly [minimum: number, maximum: number]> =
	new Map([
		['int8', [-(2 ** 7), 2 ** 7 - 1]],
		['int16', [-(2 ** 15), 2 ** 15 - 1]],
		['int32', [-(2 ** 31), 2 ** 31 - 1]],
		['uint8', [0, 2 ** 8 - 1]],
		['uint16', [0, 2 ** 16 - 1]],
		['uint32', [0, 2 ** 32 - 1]],
		['uint64', [0, Number.MAX_SAFE_INTEGER]],
	])

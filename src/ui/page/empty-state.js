import { copyText, create } from './dom.js'

/**
 * What to do when there is no model yet.
 * @param {HTMLElement} view
 * @param {import('./catalog-feed.js').ServerFacts} facts
 * @param {import('./upload.js').Upload} upload
 */
export function showEmptyState(view, { directory, uploads }, upload) {
	const server = new URL('.', document.baseURI).href.replace(/\/$/, '')
	const host = location.hostname
	/** @type {[string, string][]} */
	const ways = [
		[
			'Copy a run into the directory of the server',
			`scp -r my-model ${host}:${directory ?? 'checkpoints'}/`,
		],
	]
	/** @type {[string, string][]} */
	const sending = [
		['Send it with this very program', `alpha upload my-model --to ${server}`],
		[
			'Send a JSON checkpoint with curl',
			[
				'jq -n --slurpfile config config.json --slurpfile checkpoint checkpoint-1000.json \\',
				`  '{name: "my-model", step: 1000, config: $config[0], checkpoint: $checkpoint[0]}' |`,
				`gzip | curl ${server}/api/upload --data-binary @- \\`,
				'  -H "Authorization: Bearer $UPLOAD_SECRET" \\',
				"  -H 'Content-Type: application/json' -H 'Content-Encoding: gzip'",
			].join('\n'),
		],
	]
	view.replaceChildren(
		create('h2', {}, 'No model yet'),
		create(
			'p',
			{},
			'A run is a directory with config.json and checkpoint-<step>.json. It appears here as soon as it is complete.',
		),
		...(uploads
			? [upload.element]
			: [
					create(
						'p',
						{ class: 'hint' },
						'Uploads are off: the server was started without UPLOAD_SECRET.',
					),
				]),
		...(uploads ? [...ways, ...sending] : ways).map(([title, command]) => {
			const copy = create('button', { class: 'quiet' }, 'Copy')
			copy.addEventListener('click', () => copyText(copy, command))
			return create(
				'div',
				{ class: 'way' },
				create('h3', {}, title, copy),
				create('pre', { tabindex: '0' }, create('code', {}, command)),
			)
		}),
	)
}

/** Words that other tools have for commands, and what there is here instead. */
export const foreignWords: Readonly<Record<string, string>> = {
	pull: 'nothing is downloaded: copy a run into the checkpoints directory, or send one with alpha upload',
	push: 'alpha upload RUN_DIR --to URL sends a run to a server',
	create: 'there is nothing to create: a directory under checkpoints/ is served as it is',
	import: 'there is nothing to import: a directory under checkpoints/ is served as it is',
	convert:
		'models are served as they are; alpha export MODEL --out DIR writes one for Hugging Face',
	rm: 'remove the directory of the run, or send DELETE /api/models?name= with the upload secret',
	delete:
		'remove the directory of the run, or send DELETE /api/models?name= with the upload secret',
	cp: 'copy the directory of the run',
	stop: 'POST /api/models/{id}/unload takes a model out of memory; SIGTERM stops a server',
	unload: 'POST /api/models/{id}/unload takes a model out of memory',
	load: 'POST /api/models/{id}/load loads a model; alpha serve --preload NAME does at start',
	start: 'alpha serve starts the server',
	server: 'alpha serve starts the server',
	complete: 'alpha generate MODEL PROMPT continues a text',
	perplexity: 'alpha score MODEL FILE gives perplexity and bits per character',
	eval: 'alpha score MODEL FILE gives perplexity and bits per character',
	verify: 'alpha check PATH… verifies files',
	validate: 'alpha check PATH… verifies files',
	info: 'alpha show MODEL tells everything about a model',
	inspect: 'alpha show MODEL tells everything about a model',
	status: 'alpha ps asks a running server; alpha doctor looks at this machine',
	config: 'alpha serve --print-config shows every setting and where it came from',
	train: 'nothing is trained here; alpha watch RUN follows a training that reports to a server',
}

/** A model for other tools as one file to download. */
import type { StagedExport } from '../upload/staged-export.ts'
import type { ServerContext } from './deps.ts'
import { tarOf } from './tar.ts'

/** Answers with the model's directory as a tar file; what was written goes when the answer has ended, however it ends. */
export async function answerArchive(
	{ exports, connections }: ServerContext,
	id: string,
	request: Request,
): Promise<Response> {
	const staged = await connections.withoutIdleTimeout(request, () =>
		exports.write(id, request.signal),
	)
	// An answer that has not begun to be sent is not told that its reader has gone.
	request.signal.addEventListener('abort', () => void staged.remove(), { once: true })
	const { card, directory, files } = staged
	const name = `${card.id}-${card.trainingStep}`.replaceAll(/[^\w.-]+/g, '-').slice(0, 60)
	connections.timeReader(request)
	return new Response(untilRemoved(tarOf(directory, files, `${name}/`), staged), {
		headers: {
			'content-type': 'application/octet-stream',
			'content-disposition': `attachment; filename="${name}.tar"`,
			'cache-control': 'no-store',
		},
	})
}

function untilRemoved(
	bytes: AsyncGenerator<Uint8Array, void>,
	staged: StagedExport,
): ReadableStream<Uint8Array> {
	return new ReadableStream({
		async pull(controller) {
			try {
				const { value, done } = await bytes.next()
				if (!done) return controller.enqueue(value)
				await staged.remove()
				controller.close()
			} catch (error) {
				await staged.remove()
				controller.error(error)
			}
		},
		async cancel() {
			await bytes.return()
			await staged.remove()
		},
	})
}

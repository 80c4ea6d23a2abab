"""What somebody writes with the package that openapi-python-client has made of the document."""

import io

from alpha_client import AuthenticatedClient, Client
from alpha_client.api.alpha import generate_from_query, upload_piece
from alpha_client.api.open_ai import (
    create_chat_completion,
    create_embedding,
    create_response,
    list_models,
    retrieve_model,
)
from alpha_client.api.training import list_runs, report
from alpha_client.models import (
    ChatCompletionRequest,
    EmbeddingsRequest,
    ListRunsStatus,
    Report,
    ReportType,
    ResponsesRequest,
    SpokenMessage,
    SpokenMessageRole,
)
from alpha_client.types import File
from checks import ANSWER, BUSY_MODEL, MODEL, QUESTION, URL, check, equal, run

SECRET = "a-secret-for-tests"

client = Client(base_url=URL)
uploader = AuthenticatedClient(base_url=URL, token=SECRET)
question = SpokenMessage(role=SpokenMessageRole.USER, content=QUESTION[0]["content"])


@check
def lists_the_models():
    equal([model.id for model in list_models.sync(client=client).data], [MODEL, BUSY_MODEL])


@check
def chats():
    body = ChatCompletionRequest(model=MODEL, messages=[question], temperature=0)
    completion = create_chat_completion.sync(client=client, body=body)
    equal(completion.choices[0].message.content, ANSWER)
    equal(completion.usage.completion_tokens, 12)


@check
def asks_for_a_response():
    body = ResponsesRequest(model=MODEL, input_=question.content, temperature=0)
    response = create_response.sync(client=client, body=body)
    equal(response.output[0].content[0].text, ANSWER)
    equal(response.usage.output_tokens, 12)


@check
def asks_for_an_embedding():
    body = EmbeddingsRequest(model=MODEL, input_=["one", "two"])
    equal([item.index for item in create_embedding.sync(client=client, body=body).data], [0, 1])


@check
def passes_parameters_in_the_query():
    answer = generate_from_query.sync(client=client, prompt="She", model=BUSY_MODEL, max_tokens=3)
    equal(answer.usage.completion_tokens, 3)


@check
def gets_errors_with_their_types():
    answer = retrieve_model.sync_detailed("no", client=client)
    equal((answer.status_code, answer.parsed.error.code), (404, "model_not_found"))


@check
def reports_a_training():
    body = Report(type_=ReportType.METRICS, run_id="generated run", metrics=[{"step": 1, "loss": 2}])
    equal(report.sync(client=uploader, body=body).ok, True)
    equal([run.run_id for run in list_runs.sync(client=client, status=ListRunsStatus.TRAINING)], [body.run_id])


@check
def uploads_bytes():
    piece = File(payload=io.BytesIO(b"\x00\x01"))
    stored = upload_piece.sync(
        client=uploader, body=piece, x_upload_id="generated", x_chunk_index=1, x_total_chunks=3
    )
    equal((stored.chunk, stored.received, stored.total), (1, 1, 3))


run()

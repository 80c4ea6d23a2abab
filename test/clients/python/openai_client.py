"""The openai package against a running server."""

import asyncio
import json

import openai
from checks import (
    ANSWER,
    BUSY,
    BUSY_MODEL,
    MODEL,
    QUESTION,
    URL,
    check,
    engine_stops,
    equal,
    raises,
    requests_answered_with,
    run,
)

try:
    import httpx2 as httpx
except ImportError:
    import httpx

client = openai.OpenAI(base_url=f"{URL}/v1", api_key="any-key", max_retries=0)
greedy = {"model": MODEL, "messages": QUESTION, "temperature": 0}


@check
def lists_and_retrieves_models():
    equal([model.id for model in client.models.list()], [MODEL, BUSY_MODEL])
    equal(client.models.retrieve(MODEL).owned_by, "alpha")


@check
def chats():
    completion = client.chat.completions.create(**greedy)
    equal(completion.choices[0].message.content, ANSWER)
    equal(completion.choices[0].finish_reason, "stop")
    equal(completion.usage.completion_tokens, 12)
    assert completion._request_id


@check
def streams_chat_with_the_loop_of_the_readme():
    text = ""
    chunks = list(client.chat.completions.create(**greedy, stream=True))
    for chunk in chunks:
        text += chunk.choices[0].delta.content or ""
    equal(text, ANSWER)
    equal(chunks[-1].usage.completion_tokens, 12)


@check
def streams_usage_in_its_own_chunk():
    options = {"include_usage": True}
    chunks = list(client.chat.completions.create(**greedy, stream=True, stream_options=options))
    equal(chunks[-1].choices, [])
    equal(chunks[-1].usage.total_tokens, 20)
    equal([chunk.usage for chunk in chunks[:-1]], [None] * (len(chunks) - 1))


@check
def the_stream_helper_puts_messages_together():
    with client.chat.completions.stream(**greedy, n=2) as stream:
        events = [event.type for event in stream]
        final = stream.get_final_completion()
    equal([choice.message.content for choice in final.choices], [ANSWER, ANSWER])
    equal(final.choices[0].message.role, "assistant")
    assert "content.delta" in events


@check
def streams_without_blocking_others_in_asyncio():
    async def ask(asynchronous):
        stream = await asynchronous.chat.completions.create(**greedy, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def ask_all():
        async with openai.AsyncOpenAI(base_url=f"{URL}/v1", api_key="any-key") as asynchronous:
            return await asyncio.gather(*[ask(asynchronous) for _ in range(10)])

    equal(asyncio.run(ask_all()), [ANSWER] * 10)


@check
def reports_log_probabilities():
    completion = client.chat.completions.create(**greedy, logprobs=True, top_logprobs=3)
    content = completion.choices[0].logprobs.content
    equal(len(content), completion.usage.completion_tokens)
    assert all(len(token.top_logprobs) == 3 and token.logprob <= 0 for token in content)


@check
def closing_a_stream_stops_the_engine():
    stream = client.chat.completions.create(
        model=BUSY_MODEL, messages=QUESTION, stream=True, **BUSY
    )
    next(iter(stream))
    stream.close()
    engine_stops()


@check
def a_timeout_of_the_client_stops_the_engine():
    impatient = client.with_options(timeout=0.3)
    raises(
        openai.APITimeoutError,
        lambda: impatient.chat.completions.create(model=BUSY_MODEL, messages=QUESTION, **BUSY),
    )
    engine_stops()


@check
def errors_have_their_class():
    create = client.chat.completions.create
    error = raises(openai.NotFoundError, lambda: create(model="nobody", messages=QUESTION))
    equal((error.code, error.param, error.status_code), ("model_not_found", "model", 404))
    error = raises(openai.BadRequestError, lambda: create(**{**greedy, "temperature": 3}))
    equal((error.param, error.type), ("temperature", "invalid_request_error"))
    assert error.request_id
    error = raises(openai.BadRequestError, lambda: create(model=MODEL, messages=[]))
    equal(error.code, "empty_array")
    long = [{"role": "user", "content": "apples " * 100}]
    strict = {"truncation": "disabled"}
    error = raises(
        openai.BadRequestError, lambda: create(model=MODEL, messages=long, extra_body=strict)
    )
    equal(error.code, "context_length_exceeded")
    upload = client.with_options(base_url=URL)
    raises(
        openai.AuthenticationError,
        lambda: upload.post("/api/upload", body={}, cast_to=object),
    )


class BusyAtFirst(httpx.HTTPTransport):
    """Answers the first request as a server with a full queue does, then asks the real one."""

    attempts = 0

    def handle_request(self, request):
        self.attempts += 1
        if self.attempts == 1:
            error = {"message": "busy", "type": "server_error", "param": None, "code": "overloaded"}
            return httpx.Response(503, headers={"retry-after": "0"}, json={"error": error})
        return super().handle_request(request)


@check
def retries_when_the_server_is_busy():
    transport = BusyAtFirst()
    retrying = openai.OpenAI(
        base_url=f"{URL}/v1",
        api_key="any-key",
        http_client=httpx.Client(transport=transport),
    )
    equal(retrying.chat.completions.create(**greedy).choices[0].message.content, ANSWER)
    equal(transport.attempts, 2)


@check
def sends_bad_requests_once():
    retrying = client.with_options(max_retries=2)
    before = requests_answered_with(400)
    raises(
        openai.BadRequestError,
        lambda: retrying.chat.completions.create(**{**greedy, "temperature": 3}),
    )
    equal(requests_answered_with(400) - before, 1)


@check
def completes_texts_and_token_ids():
    prompt = "<|user|> What is your name? <|assistant|>"
    completion = client.completions.create(model=MODEL, prompt=prompt, temperature=0)
    equal(completion.choices[0].text, f" {ANSWER}")
    ids = client.post(f"{URL}/tokenize", body={"prompt": prompt}, cast_to=object)["tokens"]
    completion = client.completions.create(model=MODEL, prompt=ids, temperature=0)
    equal(completion.choices[0].text, f" {ANSWER}")


@check
def embeds():
    packed = client.embeddings.create(model=MODEL, input=["a", "b"])
    plain = client.embeddings.create(model=MODEL, input=["a", "b"], encoding_format="float")
    equal([len(item.embedding) for item in plain.data], [40, 40])
    for one, other in zip(packed.data, plain.data):
        assert max(abs(x - y) for x, y in zip(one.embedding, other.embedding)) < 1e-6


@check
def responds():
    response = client.responses.create(model=MODEL, input="What is your name?", temperature=0)
    equal(response.output_text, ANSWER)
    equal(response.status, "completed")
    equal(response.usage.output_tokens, 12)


@check
def streams_responses():
    arguments = {"model": MODEL, "input": "What is your name?", "temperature": 0}
    text = ""
    for event in client.responses.create(**arguments, stream=True):
        if event.type == "response.output_text.delta":
            text += event.delta
    equal(text, ANSWER)
    equal(event.type, "response.completed")
    with client.responses.stream(**arguments) as stream:
        equal(stream.until_done().get_final_response().output_text, ANSWER)


@check
def gets_json_by_schema():
    schema = {
        "type": "object",
        "properties": {"married": {"type": "boolean"}},
        "required": ["married"],
        "additionalProperties": False,
    }
    completion = client.chat.completions.create(
        model=BUSY_MODEL,
        messages=QUESTION,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "person", "schema": schema, "strict": True},
        },
    )
    equal(type(json.loads(completion.choices[0].message.content)["married"]), bool)


run()

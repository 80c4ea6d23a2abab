"""Every kind of answer against the types of the openai package, which itself builds them unchecked."""

import json
import urllib.request

from checks import BUSY_MODEL, MODEL, QUESTION, URL, check, run
from openai.types import Completion, CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from openai.types.shared import ErrorObject
from pydantic import BaseModel, TypeAdapter

SCHEMA = {
    "type": "object",
    "properties": {"married": {"type": "boolean"}},
    "required": ["married"],
    "additionalProperties": False,
}
FUNCTION = {"name": "weather", "parameters": SCHEMA}


class ModelList(BaseModel):
    object: str
    data: list[Model]


def ask(path, body=None):
    data = None if body is None else json.dumps({"model": MODEL, **body}).encode()
    request = urllib.request.Request(URL + path, data, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()


def valid(kind, text):
    TypeAdapter(kind).validate_json(text, strict=True)


def valid_stream(kind, path, body, change=lambda event: event):
    lines = ask(path, {**body, "stream": True}).splitlines()
    events = [line[len("data: ") :] for line in lines if line.startswith("data: ")]
    assert len(events) > 1, events
    for event in events:
        if event != "[DONE]":
            valid(kind, change(event))


CHAT = {"messages": QUESTION, "max_tokens": 12, "seed": 7}
# Can write JSON.
WRITER = {"model": BUSY_MODEL, "max_tokens": 60}
CHATS = [
    CHAT,
    {**CHAT, "n": 2, "logprobs": True, "top_logprobs": 3},
    {**CHAT, "stop": ["e"], "logprobs": True},
    {**CHAT, **WRITER, "response_format": {"type": "json_object"}},
    {
        **CHAT,
        **WRITER,
        "tools": [{"type": "function", "function": FUNCTION}],
        "tool_choice": "required",
    },
    {
        **CHAT,
        **WRITER,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "person", "schema": SCHEMA},
        },
    },
]


@check
def models():
    valid(ModelList, ask("/v1/models"))
    valid(Model, ask(f"/v1/models/{MODEL}"))


@check
def chats_whole_and_streamed():
    for body in CHATS:
        valid(ChatCompletion, ask("/v1/chat/completions", body))
        valid_stream(ChatCompletionChunk, "/v1/chat/completions", body)
        usage = {"stream_options": {"include_usage": True}}
        valid_stream(ChatCompletionChunk, "/v1/chat/completions", {**body, **usage})


@check
def completions_whole_and_streamed():
    plain = {"prompt": "What is", "max_tokens": 9, "seed": 7}
    scored = {**plain, "logprobs": 3}
    # Not with echo: the first token has no probability, which the type does not know.
    for body in [plain, scored, {**plain, "prompt": ["a", "b"], "n": 2}]:
        valid(Completion, ask("/v1/completions", body))
        # The type has no null here, which every chunk of OpenAI's own but the last one has.
        valid_stream(
            Completion,
            "/v1/completions",
            body,
            lambda event: event.replace('"finish_reason":null', '"finish_reason":"stop"'),
        )


@check
def responses_whole_and_streamed():
    plain = {"input": "What is your name?", "max_output_tokens": 60}
    writer = {**plain, "model": BUSY_MODEL}
    tool = {"type": "function", **FUNCTION}
    schema = {"format": {"type": "json_schema", "name": "person", "schema": SCHEMA}}
    for body in [
        plain,
        {**plain, "max_output_tokens": 16},
        {**plain, "include": ["message.output_text.logprobs"], "top_logprobs": 3},
        {**plain, "instructions": "Be kind.", "metadata": {"a": "b"}, "user": "me"},
        {**writer, "tools": [tool], "tool_choice": "required"},
        {**writer, "text": schema},
    ]:
        valid(Response, ask("/v1/responses", body))
        valid_stream(ResponseStreamEvent, "/v1/responses", body)


@check
def embeddings():
    for body in [{"input": "a"}, {"input": ["a", "b"]}]:
        valid(CreateEmbeddingResponse, ask("/v1/embeddings", body))


@check
def errors():
    for path, body in [
        ("/v1/chat/completions", {"messages": 7}),
        ("/v1/completions", {"prompt": "a", "model": "nobody"}),
        ("/v1/responses", {}),
        ("/v1/nothing", {}),
    ]:
        valid(ErrorObject, json.dumps(json.loads(ask(path, body))["error"]))


run()

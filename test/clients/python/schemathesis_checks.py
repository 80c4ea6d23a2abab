"""What schemathesis checks of each answer beyond its own checks."""

import re

import schemathesis
from schemathesis.specs.openapi.checks import negative_data_rejection

# A request that fits the schema may be refused for these reasons only: what the schema cannot say
# because it depends on the model, on two fields at once, or on the contents of a checkpoint.
REFUSALS = [
    ("prompt", "invalid_value"),  # token ids beyond the vocabulary
    ("input", "invalid_value"),
    ("tokens", "invalid_value"),
    ("stop_token_ids", "invalid_value"),
    ("logit_bias", "invalid_value"),
    ("input", "missing_required_parameter"),  # embeddings of a text without tokens
    ("prompt|content|messages", "unsupported_parameter"),  # two texts to tokenize
    (r"input\[\d+\]", "unsupported_value"),  # items that are not stored here
    (r"tools\[\d+\]", "invalid_type"),  # tools are anything until one of them must be called
    ("prompt", "missing_required_parameter"),  # in neither of query and body, or of two names
    ("dimensions", "unsupported_value"),  # another width than the model's
    ("prompt|messages|input", "context_length_exceeded"),
    ("top_logprobs", "invalid_value"),  # without logprobs
    ("prompt|content", "unsupported_parameter"),  # two texts to tokenize
    ("tools", "invalid_value"),  # none, and one must be called
    ("n", "answer_too_large"),
    (r"input\[\d+\]", "unsupported_value"),  # a reference to an item that was never stored
    ("prompt_logprobs", "unsupported_parameter"),  # with a stream
    (
        "best_of",
        "invalid_value|unsupported_value|unsupported_parameter|integer_(below_min|above_max)_value",
    ),
    ("n", "invalid_value|integer_above_max_value"),  # times the number of prompts
    ("max_tokens", "invalid_value|integer_below_min_value"),  # 0 without echo
    # A JSON schema beyond the supported subset, or beyond what the model's vocabulary can write.
    (r"(response_format|text\.format).*", "invalid_value|unsupported_value"),
    (r"(response_format|text\.format).*", "missing_required_parameter"),
    (
        r"json_schema|format|regex|guided_\w+|structured_outputs\.\w+",
        "invalid_value|unsupported_value|unsupported_parameter",
    ),
    # Refused unless empty, which depends on the type of what comes.
    (
        "grammar|ebnf|structural_tag|bad_words|use_beam_search|allowed_token_ids",
        "unsupported_parameter",
    ),
    (r"(messages|input)\[\d+\]\.content", "missing_required_parameter|invalid_type"),
    ("stop", "unsupported_parameter"),  # with a format
    ("checkpoint", "invalid_checkpoint"),
    ("checkpoint|body", "missing_required_parameter"),  # no bytes, which are bytes to the schema
    ("files", "invalid_value"),  # files that have not arrived
    ("name", "missing_required_parameter"),  # of a file that is a model: in a header
    ("name", "invalid_value"),  # of a model made of files: a model id
    ("config", "invalid_value"),
    ("X-Chunk-Index", "invalid_value"),  # beyond X-Total-Chunks
    ("totalChunks", "invalid_value"),  # pieces that have not arrived
    ("totalChunks|config|step", "missing_required_parameter"),  # and no files instead
]

# What must never leave the process: paths and stack frames.
SECRETS = re.compile(r"/(root|tmp|home|work|usr|src)/|\$bunfs|\bat .*:\d+:\d+|Error:")


@schemathesis.check
def valid_requests_are_refused_only_for_reasons_beyond_the_schema(ctx, response, case):
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if response.status_code != 400:
        return
    error = response.json()["error"]
    for param, code in REFUSALS:
        if re.fullmatch(param, error["param"] or "") and re.fullmatch(code, error["code"]):
            return
    raise AssertionError(f"refused a request that fits the schema: {error}")


# Its name for what it adds.
UNKNOWN = "x-schemathesis-unknown-property"


@schemathesis.check
def invalid_requests_are_refused(ctx, response, case):
    # The body is then a file of a model, whatever its type is said to be.
    if "X-Model-File" in (case.headers or {}):
        return
    # What no document names is ignored, in queries and headers as in bodies.
    if any(UNKNOWN in (part or {}) for part in (case.query, case.headers)):
        return
    negative_data_rejection(ctx, response, case)


@schemathesis.check
def every_answer_has_an_id_and_may_be_read_by_any_origin(ctx, response, case):
    assert response.headers.get("x-request-id"), "x-request-id is missing"
    assert response.headers.get("access-control-allow-origin") == ["*"], "CORS is missing"


@schemathesis.check
def errors_have_one_shape_and_no_secrets(ctx, response, case):
    if response.status_code < 400 or response.content == b"":
        return
    error = response.json()["error"]
    assert sorted(error) == ["code", "message", "param", "type"], f"unexpected keys in {error}"
    assert not SECRETS.search(error["message"]), f"tells too much: {error['message']}"


@schemathesis.check
def streams_do_not_fail(ctx, response, case):
    # It stops reading a long stream early, so the end of one cannot be asked for.
    failures = (b'data: {"error"', b"event: error", b"event: response.failed")
    for failure in failures:
        assert failure not in response.content, "a stream ends in an error"

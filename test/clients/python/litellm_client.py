"""litellm against a running server, as an OpenAI-compatible endpoint."""

import litellm
from checks import (
    ANSWER,
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

litellm.suppress_debug_info = True
alpha = {"api_base": f"{URL}/v1", "api_key": "any-key"}
greedy = {**alpha, "model": f"openai/{MODEL}", "messages": QUESTION, "temperature": 0}


@check
def completes():
    response = litellm.completion(**greedy)
    equal(response.choices[0].message.content, ANSWER)
    equal(response.choices[0].finish_reason, "stop")
    equal(response.usage.completion_tokens, 12)


@check
def completes_as_hosted_vllm():
    response = litellm.completion(**{**greedy, "model": f"hosted_vllm/{MODEL}"})
    equal(response.choices[0].message.content, ANSWER)


@check
def streams():
    options = {"include_usage": True}
    chunks = list(litellm.completion(**greedy, stream=True, stream_options=options))
    equal("".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices), ANSWER)
    equal(chunks[-1].usage.completion_tokens, 12)


@check
def reports_log_probabilities():
    response = litellm.completion(**greedy, logprobs=True, top_logprobs=2)
    equal(len(response.choices[0].logprobs.content[0].top_logprobs), 2)


@check
def closing_a_stream_stops_the_engine():
    stream = litellm.completion(
        **{**greedy, "model": f"openai/{BUSY_MODEL}"}, stream=True, n=16, max_tokens=2048
    )
    next(iter(stream))
    stream.completion_stream.response.close()
    engine_stops()


@check
def errors_have_their_class():
    raises(
        litellm.NotFoundError,
        lambda: litellm.completion(**{**greedy, "model": "openai/nobody"}),
    )
    raises(litellm.BadRequestError, lambda: litellm.completion(**{**greedy, "temperature": 3}))
    long = [{"role": "user", "content": "apples " * 100}]
    raises(
        litellm.ContextWindowExceededError,
        lambda: litellm.completion(
            **{**greedy, "messages": long}, extra_body={"truncation": "disabled"}
        ),
    )


@check
def sends_bad_requests_once():
    before = requests_answered_with(400)
    raises(
        litellm.BadRequestError,
        lambda: litellm.completion(**{**greedy, "temperature": 3}, max_retries=2),
    )
    equal(requests_answered_with(400) - before, 1)


@check
def embeds():
    response = litellm.embedding(
        model=f"openai/{MODEL}", input=["a", "b"], encoding_format="float", **alpha
    )
    equal([len(item["embedding"]) for item in response.data], [40, 40])


@check
def completes_texts():
    response = litellm.text_completion(
        model=f"text-completion-openai/{MODEL}",
        prompt="<|user|> What is your name? <|assistant|>",
        temperature=0,
        **alpha,
    )
    equal(response.choices[0].text, f" {ANSWER}")


@check
def responds():
    response = litellm.responses(
        model=f"openai/{MODEL}", input="What is your name?", temperature=0, **alpha
    )
    equal(response.output[0].content[0].text, ANSWER)


run()

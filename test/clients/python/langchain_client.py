"""langchain-openai against a running server."""

import openai
from checks import (
    ANSWER,
    BUSY,
    BUSY_MODEL,
    MODEL,
    URL,
    check,
    engine_stops,
    equal,
    raises,
    requests_answered_with,
    run,
)
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings

alpha = {"base_url": f"{URL}/v1", "api_key": "any-key"}
QUESTION = "What is your name?"


def chat(**settings):
    return ChatOpenAI(**{"model": MODEL, "temperature": 0, **alpha, **settings})


@check
def invokes():
    message = chat().invoke(QUESTION)
    equal(message.content, ANSWER)
    equal(message.usage_metadata["output_tokens"], 12)
    equal(message.response_metadata["finish_reason"], "stop")


@check
def reads_a_conversation():
    message = chat().invoke(
        [
            SystemMessage("Be kind."),
            HumanMessage("Does Finn like cheese?"),
            AIMessage("Yes, Finn likes cheese."),
            HumanMessage(QUESTION),
        ]
    )
    assert message.usage_metadata["input_tokens"] > 20


@check
def streams_and_counts_usage_once():
    chunks = list(chat().stream(QUESTION))
    equal("".join(chunk.content for chunk in chunks), ANSWER)
    used = [chunk.usage_metadata["output_tokens"] for chunk in chunks if chunk.usage_metadata]
    equal(sum(used), 12)


@check
def batches():
    equal([message.content for message in chat().batch([QUESTION] * 5)], [ANSWER] * 5)


@check
def reports_log_probabilities():
    message = chat(logprobs=True, top_logprobs=2).invoke(QUESTION)
    equal(len(message.response_metadata["logprobs"]["content"][0]["top_logprobs"]), 2)


@check
def leaving_a_stream_stops_the_engine():
    stream = chat(model=BUSY_MODEL, max_tokens=BUSY["max_tokens"], n=16).stream(QUESTION)
    next(stream)
    stream.close()
    engine_stops()


@check
def errors_have_their_class_and_are_not_retried():
    raises(openai.NotFoundError, lambda: chat(model="nobody").invoke(QUESTION))
    before = requests_answered_with(400)
    raises(openai.BadRequestError, lambda: chat(temperature=3, max_retries=2).invoke(QUESTION))
    equal(requests_answered_with(400) - before, 1)


@check
def embeds_from_token_arrays_and_from_texts():
    # Its default sends lists of OpenAI's token ids; this model knows the first 300 of them.
    plain = OpenAIEmbeddings(model=MODEL, check_embedding_ctx_length=False, **alpha)
    equal([len(vector) for vector in plain.embed_documents(["a", "b"])], [40, 40])


@check
def completes_texts():
    model = OpenAI(model=MODEL, temperature=0, **alpha)
    equal(model.invoke("<|user|> What is your name? <|assistant|>"), f" {ANSWER}")


@check
def responds():
    equal(chat(use_responses_api=True).invoke(QUESTION).text, ANSWER)
    streamed = "".join(chunk.text for chunk in chat(use_responses_api=True).stream(QUESTION))
    equal(streamed, ANSWER)


run()

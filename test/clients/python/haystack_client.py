"""Haystack against a running server."""

from checks import ANSWER, MODEL, URL, check, equal, raises, run
from haystack import Pipeline
from haystack.components.embedders import OpenAITextEmbedder
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.utils import Secret

settings = {"api_key": Secret.from_token("any-key"), "api_base_url": f"{URL}/v1", "model": MODEL}
question = [ChatMessage.from_user("What is your name?")]
greedy = {"temperature": 0}


@check
def chats():
    generator = OpenAIChatGenerator(**settings, generation_kwargs=greedy)
    [reply] = generator.run(messages=question)["replies"]
    equal(reply.text, ANSWER)
    equal(reply.meta["finish_reason"], "stop")
    equal(reply.meta["usage"]["completion_tokens"], 12)


@check
def streams_to_a_callback():
    deltas = []
    generator = OpenAIChatGenerator(
        **settings,
        generation_kwargs=greedy,
        streaming_callback=lambda chunk: deltas.append(chunk.content or ""),
    )
    [reply] = generator.run(messages=question)["replies"]
    equal("".join(deltas), ANSWER)
    equal(reply.text, ANSWER)


@check
def runs_in_a_pipeline_with_several_choices():
    pipeline = Pipeline()
    kwargs = {**greedy, "n": 2}
    pipeline.add_component("llm", OpenAIChatGenerator(**settings, generation_kwargs=kwargs))
    replies = pipeline.run({"llm": {"messages": question}})["llm"]["replies"]
    equal([reply.text for reply in replies], [ANSWER, ANSWER])


@check
def embeds():
    equal(len(OpenAITextEmbedder(**settings).run(text="Hello")["embedding"]), 40)


@check
def reports_a_bad_request():
    generator = OpenAIChatGenerator(**settings, generation_kwargs={"temperature": 3})
    assert "temperature" in str(raises(Exception, lambda: generator.run(messages=question)))


run()

"""Pydantic AI against a running server."""

import asyncio

from checks import ANSWER, BUSY_MODEL, MODEL, URL, check, equal, run
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

provider = OpenAIProvider(base_url=f"{URL}/v1", api_key="any-key")
greedy = {"temperature": 0}
question = "What is your name?"


class Person(BaseModel):
    married: bool
    children: int


def agent(name=MODEL, model=OpenAIChatModel, **options):
    return Agent(model(name, provider=provider), model_settings=greedy, **options)


loop = asyncio.new_event_loop()
wait = loop.run_until_complete


@check
def runs_on_chat_completions():
    result = wait(agent().run(question))
    equal(result.output, ANSWER)
    equal(result.usage.output_tokens, 12)


@check
def runs_on_responses():
    equal(wait(agent(model=OpenAIResponsesModel).run(question)).output, ANSWER)


@check
def streams():
    async def stream():
        async with agent().run_stream(question) as result:
            return "".join([delta async for delta in result.stream_text(delta=True)])

    equal(wait(stream()), ANSWER)


@check
def goes_on_with_a_conversation():
    first = wait(agent().run(question))
    second = wait(agent().run("Good night.", message_history=first.all_messages()))
    assert second.usage.input_tokens > 20


@check
def gets_an_object_in_its_default_mode():
    for model in (OpenAIChatModel, OpenAIResponsesModel):
        result = wait(agent(BUSY_MODEL, model, output_type=Person).run(question))
        equal(type(result.output), Person)


@check
def streams_an_object():
    async def stream():
        async with agent(BUSY_MODEL, output_type=Person).run_stream(question) as result:
            return await result.get_output()

    equal(type(wait(stream())), Person)


@check
def gets_an_object_by_schema():
    result = wait(agent(BUSY_MODEL, output_type=NativeOutput(Person)).run(question))
    equal(type(result.output), Person)


run()

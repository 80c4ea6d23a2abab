"""The OpenAI Agents SDK against a running server, on chat completions and on responses."""

import asyncio

import agents
import openai
from checks import ANSWER, BUSY_MODEL, MODEL, URL, check, equal, raises, run

agents.set_tracing_disabled(True)
client = openai.AsyncOpenAI(base_url=f"{URL}/v1", api_key="any-key")
greedy = agents.ModelSettings(temperature=0)


def agent(model_class):
    model = model_class(model=MODEL, openai_client=client)
    return agents.Agent(name="Alpha", model=model, model_settings=greedy)


on_chat = agent(agents.OpenAIChatCompletionsModel)
on_responses = agent(agents.OpenAIResponsesModel)


async def stream(which):
    result = agents.Runner.run_streamed(which, "What is your name?")
    deltas = [
        event.data.delta
        async for event in result.stream_events()
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta"
    ]
    return "".join(deltas), result.final_output


async def ask(which, question="What is your name?"):
    return await agents.Runner.run(which, question)


loop = asyncio.new_event_loop()
wait = loop.run_until_complete


@check
def runs_on_chat_completions():
    result = wait(ask(on_chat))
    equal(result.final_output, ANSWER)
    equal(result.context_wrapper.usage.output_tokens, 12)


@check
def runs_on_responses():
    result = wait(ask(on_responses))
    equal(result.final_output, ANSWER)
    equal(result.context_wrapper.usage.output_tokens, 12)


@check
def streams_on_chat_completions():
    equal(wait(stream(on_chat)), (ANSWER, ANSWER))


@check
def streams_on_responses():
    equal(wait(stream(on_responses)), (ANSWER, ANSWER))


@check
def goes_on_with_a_conversation():
    for which in (on_chat, on_responses):
        first = wait(ask(which))
        history = first.to_input_list() + [{"role": "user", "content": "Good night."}]
        second = wait(ask(which, history))
        assert second.context_wrapper.usage.input_tokens > 20


@check
def calls_a_tool_that_it_must_call():
    called = []

    @agents.function_tool
    def remember(amount: int) -> str:
        called.append(amount)
        return "Good."

    settings = agents.ModelSettings(
        temperature=0, tool_choice="required"
    )
    for model in (agents.OpenAIChatCompletionsModel, agents.OpenAIResponsesModel):
        which = agents.Agent(
            name="Alpha",
            model=model(model=BUSY_MODEL, openai_client=client),
            model_settings=settings,
            tools=[remember],
            tool_use_behavior="stop_on_first_tool",
        )
        equal(wait(ask(which)).final_output, "Good.")
    equal([type(amount) for amount in called], [int, int])


@check
def raises_what_the_server_refuses():
    hot = on_chat.clone(model_settings=agents.ModelSettings(temperature=3))
    raises(openai.BadRequestError, lambda: wait(ask(hot)))


run()

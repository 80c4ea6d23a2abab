"""smolagents against a running server."""

from checks import ANSWER, BUSY_MODEL, MODEL, URL, check, equal, run
from smolagents import OpenAIModel, ToolCallingAgent, tool

model = OpenAIModel(model_id=MODEL, api_base=f"{URL}/v1", api_key="any-key", temperature=0)
question = [{"role": "user", "content": [{"type": "text", "text": "What is your name?"}]}]


@check
def generates():
    message = model.generate(question)
    equal(message.content, ANSWER)
    equal(message.token_usage.output_tokens, 12)


@check
def streams():
    deltas = list(model.generate_stream(question))
    equal("".join(delta.content or "" for delta in deltas), ANSWER)


@tool
def add(a: int, b: int) -> int:
    """Adds two numbers.

    Args:
        a: The first number.
        b: The second number.
    """
    return a + b


@check
def runs_an_agent_that_calls_tools():
    settings = {"api_base": f"{URL}/v1", "api_key": "any-key", "temperature": 0}
    large = OpenAIModel(model_id=BUSY_MODEL, **settings)
    agent = ToolCallingAgent(tools=[add], model=large, max_steps=2, verbosity_level=0)
    agent.run("Add 1 and 2.")
    calls = [call for step in agent.memory.steps for call in getattr(step, "tool_calls", None) or []]
    assert calls, "no step has called a tool"
    assert all(call.name in ("add", "final_answer") for call in calls)


run()

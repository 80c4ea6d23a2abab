"""smolagents against a running server."""

from checks import ANSWER, MODEL, URL, check, equal, run
from smolagents import OpenAIModel

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


run()

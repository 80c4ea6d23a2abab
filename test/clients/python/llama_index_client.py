"""LlamaIndex against a running server."""

import asyncio

from checks import ANSWER, MODEL, URL, check, equal, run
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike

settings = {"model": MODEL, "api_base": f"{URL}/v1", "api_key": "any-key", "temperature": 0}
chat_model = OpenAILike(**settings, is_chat_model=True, context_window=64)
text_model = OpenAILike(**settings, is_chat_model=False, context_window=64, max_tokens=16)
question = [ChatMessage(role="user", content="What is your name?")]
prompt = "<|user|> What is your name? <|assistant|>"


@check
def chats():
    response = chat_model.chat(question)
    equal(response.message.content, ANSWER)
    equal(response.raw.usage.completion_tokens, 12)


@check
def streams_chat():
    responses = list(chat_model.stream_chat(question))
    equal("".join(response.delta for response in responses), ANSWER)
    equal(responses[-1].message.content, ANSWER)


@check
def completes_with_a_chat_model():
    equal(chat_model.complete("What is your name?").text, ANSWER)


@check
def completes_a_text():
    equal(text_model.complete(prompt).text, f" {ANSWER}")


@check
def streams_a_text():
    equal("".join(response.delta for response in text_model.stream_complete(prompt)), f" {ANSWER}")


@check
def chats_in_asyncio():
    async def ask_all():
        return await asyncio.gather(*[chat_model.achat(question) for _ in range(5)])

    equal([response.message.content for response in asyncio.run(ask_all())], [ANSWER] * 5)


run()

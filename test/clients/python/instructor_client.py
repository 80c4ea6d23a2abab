"""Instructor against a running server."""

import instructor
import openai
from checks import BUSY_MODEL, QUESTION, URL, check, equal, run
from pydantic import BaseModel, Field

client = openai.OpenAI(base_url=f"{URL}/v1", api_key="any-key")


class Person(BaseModel):
    """A person of the novel."""

    married: bool
    age: int = Field(ge=0, le=120)


def extract(mode, **options):
    patched = instructor.from_openai(client, mode=mode)
    return patched.chat.completions.create(
        model=BUSY_MODEL, messages=QUESTION, response_model=Person, max_retries=0, **options
    )


@check
def extracts_in_its_default_mode():
    person = extract(instructor.Mode.TOOLS)
    assert isinstance(person, Person)
    assert 0 <= person.age <= 120


@check
def streams_a_partial_object():
    patched = instructor.from_openai(client)
    parts = patched.chat.completions.create_partial(
        model=BUSY_MODEL, messages=QUESTION, response_model=Person, max_retries=0
    )
    assert 0 <= list(parts)[-1].age <= 120


@check
def extracts_by_schema():
    person = extract(instructor.Mode.JSON_SCHEMA)
    assert isinstance(person, Person)
    assert 0 <= person.age <= 120


run()

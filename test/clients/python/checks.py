"""Runs the checks of a script against the server in argv[1]; one line of JSON for each."""

import json
import sys
import time
import traceback
import urllib.request

URL = sys.argv[1]
MODEL = "v2-bpe-chat"
QUESTION = [{"role": "user", "content": "What is your name?"}]
ANSWER = "My name is Alpha."
# The larger model: 16 choices of 2048 tokens keep the engine busy for seconds.
BUSY_MODEL = "novels-austen"
BUSY = {"max_tokens": 2048, "n": 16, "extra_body": {"ignore_eos": True}}

_checks = []


def check(function):
    _checks.append(function)
    return function


def run():
    for function in _checks:
        error = None
        try:
            function()
        except Exception:
            error = traceback.format_exc()
        name = function.__name__.replace("_", " ")
        print(json.dumps({"name": name, "error": error}), flush=True)


def equal(actual, expected):
    assert actual == expected, f"expected {expected!r}, got {actual!r}"


def raises(kind, function):
    try:
        function()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}, but nothing was raised")


def requests_answered_with(status):
    """How many requests the server has answered with this status."""
    with urllib.request.urlopen(f"{URL}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    counts = [line for line in lines if line.startswith("alpha_http_requests_total")]
    return sum(int(line.split()[-1]) for line in counts if f'status="{status}"' in line)


def _under_way():
    with urllib.request.urlopen(f"{URL}/health") as answer:
        health = json.load(answer)
    return health["running"] + health["waiting"]


def engine_stops():
    deadline = time.monotonic() + 2
    while _under_way() > 0:
        assert time.monotonic() < deadline, "the engine goes on after the client has left"
        time.sleep(0.01)

"""Reads [{name, schema, texts}] and says which texts are not valid against their schema."""

import json
import sys

from jsonschema import Draft202012Validator

cases = json.load(sys.stdin)
for case in cases:
    validator = Draft202012Validator(case["schema"], format_checker=Draft202012Validator.FORMAT_CHECKER)
    for text in case["texts"]:
        for error in validator.iter_errors(json.loads(text)):
            print(case["name"], text, error.message)
print(f"{len(cases)} schemas")

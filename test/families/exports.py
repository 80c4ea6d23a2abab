"""Reads exported directories with transformers and compares with the answers of the trainer's own code.

Arguments: directory of exports, directory of fixtures. One line of JSON for each export.
"""
import json
import os
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def encoded(tokenizer, text):
    try:
        return tokenizer.encode(text)
    except Exception:  # lone surrogates are no text for Python; unknown words are an error
        return None


def compare(directory, expected):
    model = AutoModelForCausalLM.from_pretrained(directory, trust_remote_code=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=True)
    difference, wrong = 0.0, 0
    for case in expected["forward"]:
        with torch.no_grad():
            logits = model(torch.tensor([case["ids"]])).logits[0, -1]
        difference = max(difference, (logits - torch.tensor(case["logits"])).abs().max().item())
        wrong += case["top_gap"] > 2e-3 and logits.argmax().item() != case["argmax"]
    greedy = [case for case in expected["greedy"] if case["prompt_ids"]]
    equal = 0
    for case in greedy:
        prompt = torch.tensor([case["prompt_ids"]])
        ids = model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False,
                             max_new_tokens=len(case["ids"]), eos_token_id=None, pad_token_id=0)
        equal += ids[0][prompt.shape[1]:].tolist() == case["ids"]
    texts = expected["tokenizer"]["encode"]
    same = [case for case in texts if encoded(tokenizer, case["text"]) == case["ids"]]
    decoded = sum(tokenizer.decode(case["ids"]) == case["decoded"] for case in same)
    return {"logits": difference, "argmaxWrong": wrong, "greedyEqual": equal, "greedy": len(greedy),
            "idsEqual": len(same), "texts": len(texts), "decodedEqual": decoded}


exports, fixtures = sys.argv[1:]
for name in sorted(os.listdir(exports)):
    with open(os.path.join(fixtures, name, "expected.json")) as file:
        expected = json.load(file)
    print(json.dumps({"name": name, **compare(os.path.join(exports, name), expected)}), flush=True)

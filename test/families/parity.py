"""Makes random models of transformers and what it computes with them, one directory for each line of the
input: {"path", "type", "config", "lengths", "greedy"}. For parity.ts."""
import json
import os
import sys

import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import logging

torch.set_num_threads(1)
logging.disable_progress_bar()


def spread(model):
    """Weights that make attention and activations do something, which fresh ones hardly do."""
    generator = torch.Generator().manual_seed(1)
    for name, weight in model.named_parameters():
        if weight.dim() == 2:
            inputs = weight.shape[0] if "Conv1D" in name else weight.shape[-1]
            deviation = 0.3 if "emb" in name or name.endswith(("wte.weight", "wpe.weight")) else 1.5 / inputs**0.5
            weight.data.normal_(0, deviation, generator=generator)
        else:
            mean = 1 if name.endswith("weight") else 0
            weight.data.normal_(mean, 0.2, generator=generator)


def top_gap(logits):
    best, second = torch.topk(logits, 2).values.tolist()
    return best - second


for line in sys.stdin:
    case = json.loads(line)
    torch.manual_seed(0)
    config = AutoConfig.for_model(case["type"], **case["config"])
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    spread(model)
    os.makedirs(case["path"])
    model.save_pretrained(case["path"])
    vocabulary = config.vocab_size
    forward, greedy = [], []
    with torch.no_grad():
        for length in case["lengths"]:
            ids = torch.randint(0, vocabulary, (length,))
            logits = model(ids[None]).logits[0, -1]
            forward.append({"ids": ids.tolist(), "logits": logits.tolist(), "gap": top_gap(logits)})
        ids = torch.randint(0, vocabulary, (8,)).tolist()
        prompt = list(ids)
        for _ in range(case["greedy"]):
            logits = model(torch.tensor([ids])).logits[0, -1]
            greedy.append({"id": int(logits.argmax()), "gap": top_gap(logits)})
            ids.append(greedy[-1]["id"])
    parameters = sum(weight.numel() for weight in model.parameters())
    answers = {"parameters": parameters, "forward": forward, "prompt": prompt, "greedy": greedy}
    with open(os.path.join(case["path"], "answers.json"), "w") as file:
        json.dump(answers, file)
    print("done", flush=True)

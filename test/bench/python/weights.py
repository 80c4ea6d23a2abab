"""A Hugging Face directory of a GPT-2 or Llama as NumPy arrays, and the loop that serves tasks."""

import json
import os
import sys
import time
from dataclasses import dataclass

import numpy as np


@dataclass
class Layer:
    """Matrices are [inputs, outputs]; biases are None where there are none."""

    norm1: tuple
    qkv: tuple
    attention_out: tuple
    norm2: tuple
    gate: tuple
    up: tuple
    down: tuple


@dataclass
class Model:
    is_llama: bool
    vocab: int
    context: int
    width: int
    heads: int
    kv_heads: int
    epsilon: float
    theta: float
    tokens: np.ndarray
    positions: np.ndarray
    layers: list
    final_norm: tuple
    head: np.ndarray

    @property
    def head_width(self):
        return self.width // self.heads


def read_safetensors(path):
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        # Writable: CTranslate2 rounds to 8 bits in place.
        data = np.frombuffer(bytearray(file.read()), dtype=np.uint8)
    header.pop("__metadata__", None)
    arrays = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        assert entry["dtype"] == "F32", entry["dtype"]
        arrays[name] = data[begin:end].view(np.float32).reshape(entry["shape"])
    return arrays


def read_model(directory):
    with open(os.path.join(directory, "config.json")) as file:
        config = json.load(file)
    arrays = read_safetensors(os.path.join(directory, "model.safetensors"))
    if config["model_type"] == "llama":
        return read_llama(config, arrays)
    return read_gpt2(config, arrays)


def read_gpt2(config, arrays):
    def array(name):
        found = arrays.get(f"transformer.{name}")
        return arrays[name] if found is None else found

    def pair(name):
        return array(f"{name}.weight"), array(f"{name}.bias")

    layers = [
        Layer(
            norm1=pair(f"h.{i}.ln_1"),
            qkv=pair(f"h.{i}.attn.c_attn"),
            attention_out=pair(f"h.{i}.attn.c_proj"),
            norm2=pair(f"h.{i}.ln_2"),
            gate=None,
            up=pair(f"h.{i}.mlp.c_fc"),
            down=pair(f"h.{i}.mlp.c_proj"),
        )
        for i in range(config["n_layer"])
    ]
    tokens = array("wte.weight")
    return Model(
        is_llama=False,
        vocab=config["vocab_size"],
        context=config["n_positions"],
        width=config["n_embd"],
        heads=config["n_head"],
        kv_heads=config["n_head"],
        epsilon=1e-5,
        theta=0,
        tokens=tokens,
        positions=array("wpe.weight"),
        layers=layers,
        final_norm=pair("ln_f"),
        head=arrays.get("lm_head.weight", tokens),
    )


def read_llama(config, arrays):
    def matrix(*names):
        return np.concatenate([arrays[f"{name}.weight"] for name in names]).T, None

    layers = []
    for i in range(config["num_hidden_layers"]):
        at = f"model.layers.{i}"
        layers.append(
            Layer(
                norm1=(arrays[f"{at}.input_layernorm.weight"], None),
                qkv=matrix(*(f"{at}.self_attn.{part}_proj" for part in "qkv")),
                attention_out=matrix(f"{at}.self_attn.o_proj"),
                norm2=(arrays[f"{at}.post_attention_layernorm.weight"], None),
                gate=matrix(f"{at}.mlp.gate_proj"),
                up=matrix(f"{at}.mlp.up_proj"),
                down=matrix(f"{at}.mlp.down_proj"),
            )
        )
    tokens = arrays["model.embed_tokens.weight"]
    return Model(
        is_llama=True,
        vocab=config["vocab_size"],
        context=min(config["max_position_embeddings"], 1024),
        width=config["hidden_size"],
        heads=config["num_attention_heads"],
        kv_heads=config["num_key_value_heads"],
        epsilon=config["rms_norm_eps"],
        theta=config["rope_theta"],
        tokens=tokens,
        positions=None,
        layers=layers,
        final_norm=(arrays["model.norm.weight"], None),
        head=arrays.get("lm_head.weight", tokens),
    )


def tell(answer):
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def serve(engine):
    """Answers one task a line: speeds in tokens per second, after a run to warm up, over some seconds."""

    def speed(tokens, seconds_min, work):
        work()
        runs = 0
        start = time.perf_counter()
        while True:
            work()
            runs += 1
            seconds = time.perf_counter() - start
            if seconds >= seconds_min:
                return runs * tokens / seconds

    tell({})
    for line in sys.stdin:
        task, *numbers = json.loads(line)
        if task == "decode":
            tokens, seconds_min = numbers
            # The first token comes with the prompt.
            result = speed(tokens, seconds_min, lambda: engine.generate(1, tokens))
        elif task == "prompt":
            tokens, seconds_min = numbers
            result = speed(tokens, seconds_min, lambda: engine.read(tokens))
        elif task == "streams":
            streams, tokens, seconds_min = numbers
            result = speed(streams * tokens, seconds_min, lambda: engine.generate(streams, tokens))
        else:
            result = [float(x) for x in engine.logprobs(numbers[0])]
        tell({"result": result})

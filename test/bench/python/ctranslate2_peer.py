"""CTranslate2 with a model that it is given as arrays: DIRECTORY OUT DTYPE THREADS."""

import sys

import ctranslate2
import numpy as np
from ctranslate2.specs import common_spec, transformer_spec
from weights import read_model, serve, tell

COMPUTE_TYPES = {"f32": "float32", "bf16": "bfloat16", "int8": "int8"}


def to_spec(model):
    options = {}
    if model.is_llama:
        options = dict(
            ffn_glu=True,
            rms_norm=True,
            rotary_dim=0,
            rotary_interleave=False,
            rotary_base=model.theta,
            num_heads_kv=None if model.kv_heads == model.heads else model.kv_heads,
        )
    spec = transformer_spec.TransformerDecoderModelSpec.from_config(
        len(model.layers),
        model.heads,
        pre_norm=True,
        activation=common_spec.Activation.SWISH
        if model.is_llama
        else common_spec.Activation.GELUTanh,
        **options,
    )
    decoder = spec.decoder
    decoder.scale_embeddings = False
    decoder.embeddings.weight = model.tokens
    if model.positions is not None:
        decoder.position_encodings.encodings = model.positions
    set_norm(decoder.layer_norm, model.final_norm)
    decoder.projection.weight = model.head
    for target, layer in zip(decoder.layer, model.layers):
        set_norm(target.self_attention.layer_norm, layer.norm1)
        set_linear(target.self_attention.linear[0], layer.qkv)
        set_linear(target.self_attention.linear[1], layer.attention_out)
        set_norm(target.ffn.layer_norm, layer.norm2)
        set_linear(target.ffn.linear_0, layer.gate if model.is_llama else layer.up)
        if model.is_llama:
            set_linear(target.ffn.linear_0_noact, layer.up)
        set_linear(target.ffn.linear_1, layer.down)
    spec.register_vocabulary([f"t{i}" for i in range(model.vocab)])
    spec.config.bos_token = "t0"
    spec.config.eos_token = f"t{model.vocab - 1}"
    spec.config.unk_token = "t0"
    spec.config.layer_norm_epsilon = model.epsilon
    return spec


def set_norm(target, norm):
    weight, bias = norm
    target.gamma = weight
    if bias is not None:
        target.beta = bias


def set_linear(target, linear):
    weight, bias = linear
    target.weight = np.ascontiguousarray(weight.T)
    if bias is not None:
        target.bias = bias


class Engine:
    def __init__(self, path, compute_type, threads, vocab):
        self.generator = ctranslate2.Generator(
            path, device="cpu", compute_type=compute_type, inter_threads=1, intra_threads=threads
        )
        self.random = np.random.default_rng(7)
        self.vocab = vocab

    def tokens(self, count):
        return [f"t{i}" for i in self.random.integers(self.vocab - 1, size=count)]

    def generate(self, streams, tokens):
        results = self.generator.generate_batch(
            [self.tokens(1) for _ in range(streams)],
            max_length=tokens,
            min_length=tokens,
            sampling_topk=40,
            sampling_temperature=0.7,
            include_prompt_in_result=False,
        )
        assert all(len(result.sequences_ids[0]) == tokens for result in results)

    def read(self, tokens):
        self.generator.generate_batch(
            [self.tokens(tokens)],
            max_length=1,
            min_length=1,
            sampling_topk=1,
            include_prompt_in_result=False,
        )

    def logprobs(self, ids):
        outputs = self.generator.forward_batch(
            [[f"t{i}" for i in ids]], return_log_probs=True
        )
        return np.array(outputs)[0, -1]


def main(directory, out, dtype, threads):
    compute_type = COMPUTE_TYPES[dtype]
    if compute_type not in ctranslate2.get_supported_compute_types("cpu"):
        tell({"reason": f"no {compute_type} on this processor"})
        return
    model = read_model(directory)
    spec = to_spec(model)
    spec.validate()
    # Tied tables are two matrices for it: one is looked up in, one is multiplied.
    spec.optimize(quantization=None if dtype == "f32" else compute_type)
    import os

    os.makedirs(out, exist_ok=True)
    spec.save(out)
    serve(Engine(out, compute_type, int(threads), model.vocab))


main(*sys.argv[1:])

"""The decoder of models that Alpha serves, for transformers with trust_remote_code=True.

GPT-2's layout without biases in its matrices, attention scores that may be capped by
cap * tanh(score / cap), and any of seven activations. It keeps no keys and values: each new token
reads the whole text again, which small models can afford.
"""
import math

import torch
from torch import nn
from torch.nn import functional as F
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput


class AlphaConfig(PretrainedConfig):
    model_type = "alpha"
    attribute_map = {"max_position_embeddings": "n_positions", "hidden_size": "n_embd",
                     "num_hidden_layers": "n_layer", "num_attention_heads": "n_head"}

    def __init__(self, vocab_size=256, n_positions=256, n_embd=64, n_layer=1, n_head=1, n_inner=256,
                 activation="gelu", activation_graph=None, soft_cap=None, **kwargs):
        self.vocab_size, self.n_positions, self.n_embd = vocab_size, n_positions, n_embd
        self.n_layer, self.n_head, self.n_inner = n_layer, n_head, n_inner
        self.activation, self.activation_graph, self.soft_cap = activation, activation_graph, soft_cap
        kwargs.update(tie_word_embeddings=False, use_cache=False)
        super().__init__(**kwargs)


def gelu(x):
    return F.gelu(x, approximate="tanh")


BASIS = {"silu": F.silu, "relu": F.relu, "gelu": gelu, "identity": lambda x: x, "square": lambda x: x * x}


def composed(graph, x):
    if graph["type"] == "basis":
        return BASIS[graph["op"]](x)
    if graph["type"] == "scale":
        return composed(graph["child"], x) * graph["factor"]
    left, right = composed(graph["left"], x), composed(graph["right"], x)
    return left + right if graph["type"] == "add" else left * right


class Mlp(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.kind, self.graph = config.activation, config.activation_graph
        d, f = config.n_embd, config.n_inner
        if self.kind == "swiglu":
            self.fc_gate, self.fc_up = nn.Linear(d, f, bias=False), nn.Linear(d, f, bias=False)
            self.fc_proj = nn.Linear(f, d, bias=False)
            return
        self.fc1, self.fc2 = nn.Linear(d, f, bias=False), nn.Linear(f, d, bias=False)
        learned = {"universal": ["act_gate", "act_skip"], "kan_spline": [f"kan_c{i}" for i in range(5)]}
        for name in learned.get(self.kind, []):
            setattr(self, name, nn.Parameter(torch.zeros(1, f)))

    def forward(self, x):
        if self.kind == "swiglu":
            return self.fc_proj(F.silu(self.fc_gate(x)) * self.fc_up(x))
        u = self.fc1(x)
        if self.kind == "universal":
            u = F.silu(u) * self.act_gate + u * self.act_skip
        elif self.kind == "kan_spline":
            u = (self.kan_c0 * F.silu(u) + self.kan_c1 * F.relu(u) + self.kan_c2 * gelu(u)
                 + self.kan_c3 * u + self.kan_c4 * u * u)
        else:
            u = composed(self.graph or {"type": "basis", "op": self.kind}, u)
        return self.fc2(u)


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        d = config.n_embd
        self.heads, self.cap = config.n_head, config.soft_cap
        self.ln1, self.ln2 = nn.LayerNorm(d, eps=1e-5), nn.LayerNorm(d, eps=1e-5)
        self.wqkv, self.wo = nn.Linear(d, 3 * d, bias=False), nn.Linear(d, d, bias=False)
        self.mlp = Mlp(config)

    def forward(self, x, mask):
        batch, length, width = x.shape
        q, k, v = (part.view(batch, length, self.heads, -1).transpose(1, 2)
                   for part in self.wqkv(self.ln1(x)).split(width, dim=-1))
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        if self.cap:
            scores = self.cap * torch.tanh(scores / self.cap)
        weights = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(dim=-1)
        x = x + self.wo((weights @ v).transpose(1, 2).reshape(batch, length, width))
        return x + self.mlp(self.ln2(x))


class AlphaForCausalLM(PreTrainedModel, GenerationMixin):
    config_class = AlphaConfig

    def __init__(self, config):
        super().__init__(config)
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.n_positions, config.n_embd)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.n_layer))
        self.lnF = nn.LayerNorm(config.n_embd, eps=1e-5)
        self.lmHead = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self):
        return self.wte

    def get_output_embeddings(self):
        return self.lmHead

    def prepare_inputs_for_generation(self, input_ids, attention_mask=None, **_):
        return {"input_ids": input_ids, "attention_mask": attention_mask}

    def forward(self, input_ids, attention_mask=None, labels=None, **_):
        length = input_ids.shape[1]
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        read = attention_mask.bool()
        positions = (read.long().cumsum(-1) - 1).clamp(min=0)
        past = torch.ones(length, length, dtype=torch.bool, device=input_ids.device).tril()
        # A row that may read nothing, left of a text, reads itself: its output is not used.
        mask = (past & read[:, None, :] | torch.eye(length, dtype=torch.bool, device=past.device))[:, None]
        x = self.wte(input_ids) + self.wpe(positions)
        for layer in self.layers:
            x = layer(x, mask)
        logits = self.lmHead(self.lnF(x))
        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        return CausalLMOutput(loss=loss, logits=logits)

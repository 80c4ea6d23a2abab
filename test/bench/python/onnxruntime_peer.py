"""ONNX Runtime with a graph that its own attention operators compute: DIRECTORY OUT DTYPE THREADS.

Keys and values stay in buffers of the whole context, which `GroupQueryAttention` appends to in place.
"""

import os
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from weights import read_model, serve, tell

MICROSOFT = "com.microsoft"


class Graph:
    def __init__(self, model, context):
        self.model = model
        self.context = context
        self.nodes = []
        self.initializers = []
        self.count = 0

    def name(self):
        self.count += 1
        return f"v{self.count}"

    def constant(self, array):
        name = self.name()
        array = np.ascontiguousarray(array)
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        self.initializers.append(
            helper.make_tensor(name, kind, array.shape, array.tobytes(), raw=True)
        )
        return name

    def add(self, operation, inputs, outputs=1, domain="", **attributes):
        names = [self.name() for _ in range(outputs)] if isinstance(outputs, int) else outputs
        self.nodes.append(
            helper.make_node(operation, inputs, names, domain=domain, **attributes)
        )
        return names[0]

    def norm(self, x, norm):
        weight, bias = norm
        scale = self.constant(weight)
        epsilon = self.model.epsilon
        if bias is None:
            return self.add("SimplifiedLayerNormalization", [x, scale], axis=-1, epsilon=epsilon)
        inputs = [x, scale, self.constant(bias)]
        return self.add("LayerNormalization", inputs, axis=-1, epsilon=epsilon)

    def linear(self, x, linear):
        weight, bias = linear
        y = self.add("MatMul", [x, self.constant(weight)])
        return y if bias is None else self.add("Add", [y, self.constant(bias)])

    def attention(self, x, layer, index):
        model = self.model
        q = model.heads * model.head_width
        kv = model.kv_heads * model.head_width
        qkv = self.linear(x, layer.qkv)
        sizes = self.constant(np.array([q, kv, kv], dtype=np.int64))
        parts = [self.name() for _ in range(3)]
        self.add("Split", [qkv, sizes], parts, axis=-1)
        inputs = [*parts, f"past_key_{index}", f"past_value_{index}", "lengths", "total"]
        attributes = {"num_heads": model.heads, "kv_num_heads": model.kv_heads}
        if model.is_llama:
            inputs += [self.cos, self.sin]
            attributes["do_rotary"] = 1
        outputs = [self.name(), f"key_{index}", f"value_{index}"]
        y = self.add("GroupQueryAttention", inputs, outputs, domain=MICROSOFT, **attributes)
        return self.linear(y, layer.attention_out)

    def mlp(self, x, layer):
        up = self.linear(x, layer.up)
        if layer.gate is None:
            hidden = self.add("Gelu", [up], approximate="tanh")
        else:
            gate = self.linear(x, layer.gate)
            swish = self.add("Mul", [gate, self.add("Sigmoid", [gate])])
            hidden = self.add("Mul", [swish, up])
        return self.linear(hidden, layer.down)

    def build(self, path):
        model = self.model
        x = self.add("Gather", [self.constant(model.tokens), "ids"])
        if model.is_llama:
            half = model.head_width // 2
            frequencies = model.theta ** -(np.arange(half) / half)
            angles = np.outer(np.arange(self.context), frequencies).astype(np.float32)
            self.cos = self.constant(np.cos(angles))
            self.sin = self.constant(np.sin(angles))
        else:
            places = self.add("Gather", [self.constant(model.positions), "positions"])
            x = self.add("Add", [x, places])
        for i, layer in enumerate(model.layers):
            x = self.add("Add", [x, self.attention(self.norm(x, layer.norm1), layer, i)])
            x = self.add("Add", [x, self.mlp(self.norm(x, layer.norm2), layer)])
        # Only the last token's logits are wanted.
        last = self.add("Gather", [x, self.constant(np.array([-1], dtype=np.int64))], axis=1)
        hidden = self.norm(last, model.final_norm)
        self.add("MatMul", [hidden, self.constant(model.head.T)], ["logits"])
        self.save(path)

    def save(self, path):
        model = self.model
        kv = ["batch", model.kv_heads, self.context, model.head_width]
        inputs = [
            helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "n"]),
            helper.make_tensor_value_info("lengths", TensorProto.INT32, ["batch"]),
            helper.make_tensor_value_info("total", TensorProto.INT32, [1]),
        ]
        if not model.is_llama:
            inputs.append(helper.make_tensor_value_info("positions", TensorProto.INT64, ["n"]))
        outputs = [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1, model.vocab])
        ]
        for i in range(len(model.layers)):
            for part in ("key", "value"):
                name = f"{part}_{i}"
                inputs.append(
                    helper.make_tensor_value_info(f"past_{name}", TensorProto.FLOAT, kv)
                )
                outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, kv))
        graph = helper.make_graph(self.nodes, "model", inputs, outputs, self.initializers)
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid(MICROSOFT, 1)]
        file = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        onnx.save(file, path, save_as_external_data=True, location=os.path.basename(path) + ".data")


class Engine:
    def __init__(self, path, model, context, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        self.model = model
        self.context = context
        self.random = np.random.default_rng(7)
        self.caches = {}

    def cache(self, streams):
        """Keys and values of so many streams, made once."""
        if streams not in self.caches:
            model = self.model
            shape = (streams, model.kv_heads, self.context, model.head_width)
            self.caches[streams] = {
                f"{part}_{i}": onnxruntime.OrtValue.ortvalue_from_numpy(
                    np.zeros(shape, dtype=np.float32)
                )
                for i in range(len(model.layers))
                for part in ("key", "value")
            }
        return self.caches[streams]

    def step(self, ids, begin):
        streams, count = ids.shape
        binding = self.session.io_binding()
        binding.bind_cpu_input("ids", ids)
        end = begin + count
        binding.bind_cpu_input("lengths", np.full(streams, end - 1, dtype=np.int32))
        binding.bind_cpu_input("total", np.array([end], dtype=np.int32))
        if not self.model.is_llama:
            binding.bind_cpu_input("positions", np.arange(begin, end, dtype=np.int64))
        for name, value in self.cache(streams).items():
            binding.bind_ortvalue_input(f"past_{name}", value)
            binding.bind_ortvalue_output(name, value)
        binding.bind_output("logits")
        self.session.run_with_iobinding(binding)
        # Bound last; the others are the buffers themselves.
        return binding.get_outputs()[-1].numpy()

    def tokens(self, streams, count):
        return self.random.integers(self.model.vocab, size=(streams, count), dtype=np.int64)

    def generate(self, streams, tokens):
        """The most likely tokens: drawing in NumPy would cost it more than it costs others."""
        ids = self.tokens(streams, 1)
        for position in range(tokens):
            ids = self.step(ids, position).argmax(axis=-1).reshape(streams, 1)

    def read(self, tokens):
        self.step(self.tokens(1, tokens), 0)

    def logprobs(self, ids):
        logits = self.step(np.array([ids], dtype=np.int64), 0)[0, 0].astype(np.float64)
        logits -= logits.max()
        return logits - np.log(np.exp(logits).sum())


def main(directory, out, dtype, threads):
    if dtype == "bf16":
        tell({"reason": "no bfloat16 on processors"})
        return
    os.makedirs(out, exist_ok=True)
    model = read_model(directory)
    context = min(model.context, 256)
    path = os.path.join(out, "model.onnx")
    Graph(model, context).build(path)
    if dtype == "int8":
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantized = os.path.join(out, "int8.onnx")
        quantize_dynamic(
            path,
            quantized,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=["MatMul"],
            use_external_data_format=True,
            # Its operators' outputs are of no type that it knows.
            extra_options={"DefaultTensorType": TensorProto.FLOAT},
        )
        path = quantized
    serve(Engine(path, model, context, int(threads)))


main(*sys.argv[1:])

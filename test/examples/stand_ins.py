"""Runs an example with stand-ins for what it is called by: python stand_ins.py EXAMPLE."""
import sys, types

class Tensor:
    def __init__(self, value):
        self.value = value
    def item(self):
        return self.value

def pytorch_loop():
    from pytorch_loop import train
    optimizer = types.SimpleNamespace(param_groups=[{"lr": 0.001}])
    losses = iter(Tensor(5 / step if step != 7 else float("nan")) for step in range(1, 21))
    train("torch run", 20, lambda: next(losses), lambda: Tensor(0.5), optimizer, eval_interval=10)

def huggingface_callback():
    transformers = types.ModuleType("transformers")
    transformers.TrainerCallback = object
    sys.modules["transformers"] = transformers
    from huggingface_callback import AlphaCallback
    # Without a name of its own, a run has that of its directory.
    callback, args = AlphaCallback(), types.SimpleNamespace(run_name=None, output_dir="trainer run")
    state = types.SimpleNamespace(max_steps=20, global_step=0)
    callback.on_train_begin(args, state, None)
    for state.global_step in (10, 20):
        # As the Trainer does: one log of the steps, one of the evaluation, both with an epoch.
        callback.on_log(args, state, None, logs={"loss": 2.5, "learning_rate": 1e-4, "grad_norm": 1.0, "epoch": 1})
        callback.on_log(args, state, None, logs={"eval_loss": 0.5, "eval_runtime": 1.2, "epoch": 1})
    callback.on_log(args, state, None, logs={"train_runtime": 3.5, "total_flos": 1000, "train_loss": 2.6})
    callback.on_train_end(args, state, None)

def nanogpt_hook():
    from nanogpt_hook import report_evaluation
    for iter_num in (0, 10, 20):
        losses = {"train": Tensor(5.0 - iter_num / 10), "val": Tensor(0.5 + (20 - iter_num))}
        report_evaluation("out-shakespeare-char", iter_num, 20, losses, 0.001)

{"pytorch_loop": pytorch_loop, "huggingface_callback": huggingface_callback, "nanogpt_hook": nanogpt_hook}[sys.argv[1]]()

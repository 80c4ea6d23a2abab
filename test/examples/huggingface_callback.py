"""For the Trainer of Hugging Face: Trainer(..., callbacks=[AlphaCallback()])."""
from transformers import TrainerCallback
from alpha_report import report

NAMES = {"eval_loss": "valLoss", "learning_rate": "lr", "grad_norm": "gradNorm"}

class AlphaCallback(TrainerCallback):
    def on_train_begin(self, args, state, control, **kwargs):
        self.run = args.run_name or args.output_dir
        report("run_start", self.run, trainConfig={"iters": state.max_steps})
    def on_log(self, args, state, control, logs=None, **kwargs):
        point = {NAMES.get(name, name): value for name, value in (logs or {}).items()}
        report("metrics", self.run, metrics=[{**point, "step": state.global_step}])
    def on_train_end(self, args, state, control, **kwargs):
        report("complete", self.run, finalStep=state.global_step)

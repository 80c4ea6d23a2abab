"""For nanoGPT: call it in train.py behind `losses = estimate_loss()`."""
from alpha_report import report

def report_evaluation(out_dir, iter_num, max_iters, losses, lr):
    if iter_num == 0:
        report("run_start", out_dir, trainConfig={"iters": max_iters})
    point = {"step": iter_num, "loss": losses["train"].item(), "valLoss": losses["val"].item(), "lr": lr}
    report("metrics", out_dir, metrics=[point])
    if iter_num >= max_iters:
        report("complete", out_dir, finalStep=iter_num)

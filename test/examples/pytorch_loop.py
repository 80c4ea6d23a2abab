"""A training loop of PyTorch that reports each step."""
from alpha_report import report

def train(run, steps, train_step, evaluate, optimizer, eval_interval=100):
    report("run_start", run, trainConfig={"iters": steps})
    for step in range(1, steps + 1):
        loss = train_step()
        point = {"step": step, "loss": loss.item(), "lr": optimizer.param_groups[0]["lr"]}
        if step % eval_interval == 0:
            point["valLoss"] = evaluate().item()
        report("metrics", run, metrics=[point])
    report("complete", run, finalStep=steps)

"""What each of fairseq's optimizers remembers is read from a checkpoint as it was written."""

from types import SimpleNamespace

import torch
from commands import equal
from fairseq.optim.dynamic_loss_scaler import DynamicLossScaler
from fairseq.optim.fp16_optimizer import FP16Optimizer

from fairseq_prune.checkpoints.reading import read_checkpoint


def test_it_is_read(tmp_path, start, name):
    run = start(name)
    for seed in range(2):
        run.set_gradients(seed)
        run.optimizer.step()
    half = SimpleNamespace(fp32_optimizer=run.optimizer, scaler=DynamicLossScaler(2.0**7))
    state = FP16Optimizer.state_dict(half)
    torch.save({"model": {"w": torch.ones(2)}, "last_optimizer_state": state}, str(tmp_path / "a"))
    found = read_checkpoint(str(tmp_path / "a"))["last_optimizer_state"]
    assert equal(found, state) and found["loss_scale"] == 128 and len(found["state"]) == 3

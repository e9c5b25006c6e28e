"""Half and mixed precision on a GPU, end to end: pruned, killed, resumed, decoded.

Run with ``pytest -m gpu`` where there is one; skipped elsewhere.
"""

import re

import pytest
import torch
from commands import PLUGIN, equal, run, state_of, train
from grids import ALL, config, grid, records
from on_gpu import MODES, NEEDS_GPU, ON_GPU

from fairseq_prune.pruning import unpack

pytestmark = NEEDS_GPU
RUN = """
    --task pruned_translation --optimizer pruned_adam --lr 0.01 --prune-scheme class-blind
    --prune-sparsity 0.8 --prune-schedule iterative --prune-rounds 2 --prune-every 4
    --max-update 12 --save-interval-updates 2 --keep-interval-updates 1
""".split()


@pytest.mark.parametrize("mode", list(MODES))
def test_zeros_stay_zeros_through_a_kill(data, dense, tmp_path, mode):
    arguments = [*RUN, *MODES[mode], "--finetune-from-model", dense]
    train(data, tmp_path / "whole", *arguments, base=ON_GPU)
    train(data, tmp_path / "cut", *arguments, base=ON_GPU, ok=-9,
          prepare=("kill", "at", "update", "7"))  # fmt: skip
    train(data, tmp_path / "cut", *arguments, base=ON_GPU)
    whole, cut = (state_of(tmp_path / x / "checkpoint_last.pt") for x in ("whole", "cut"))
    for state in (whole, cut):
        record = state["last_optimizer_state"]["prune"]
        masks = {n: unpack(m, record["shapes"][n]) for n, m in record["masks"].items()}
        total = sum(m.numel() for m in masks.values())
        assert sum(int((~m).sum()) for m in masks.values()) == round(0.8 * total)
        for name, mask in masks.items():
            weight = state["model"][name]
            assert not weight[~mask].any() and not torch.signbit(weight[~mask]).any()
    # the first mask was chosen before the kill; float noise of the GPU may tip later ones
    assert cut["optimizer_history"][-1]["num_updates"] == 12
    if mode == "fp32":
        torch.testing.assert_close(
            [cut["model"][n] for n in cut["model"]],
            [whole["model"][n] for n in whole["model"]], rtol=1e-3, atol=1e-3,
        )  # fmt: skip
    output = run(
        "fairseq-generate", data, "--user-dir", PLUGIN, "--path",
        tmp_path / "cut" / "checkpoint_best.pt", "--batch-size", "10",
        "--required-batch-size-multiple", "1",
    )  # fmt: skip
    assert len(re.findall(r"^H-", output, re.MULTILINE)) == 30


def test_masks_chosen_on_a_gpu_are_those_of_the_cpu(data, dense, tmp_path):
    one = [
        *"--task pruned_translation --optimizer pruned_adam --lr 0.01 --max-update 1".split(),
        *"--prune-scheme class-blind --prune-sparsity 0.8".split(),
        "--finetune-from-model", dense,
    ]  # fmt: skip
    train(data, tmp_path / "gpu", *one, base=ON_GPU)
    train(data, tmp_path / "cpu", *one)
    gpu, cpu = (
        state_of(tmp_path / x / "checkpoint_last.pt")["last_optimizer_state"]["prune"]["masks"]
        for x in ("gpu", "cpu")
    )
    assert equal(gpu, cpu)


def test_a_grid_scores_on_the_gpu_as_on_the_cpu(data, dense, tmp_path):
    """Perplexity, BLEU and bytes of models that are pruned and retrained there."""
    content = config(data, seeds=[1], dense=str(dense))
    content["points"] = [
        {"kinds": ["pruned", "retrained"], "schemes": ["class-blind"], "sparsities": [0.7]}
    ]
    found = {}
    for device, more in (("gpu", ""), ("cpu", " --cpu")):
        content["train"]["all"] = ALL.replace(" --cpu", "") + more
        (tmp_path / device).mkdir()
        grid(tmp_path / device, content)
        found[device] = records(tmp_path / device)
    point = (1, "pruned", "class-blind", 0.7)
    gpu, cpu = (found[device][point] for device in ("gpu", "cpu"))
    assert gpu["perplexity"] == pytest.approx(cpu["perplexity"], rel=0.001)
    assert gpu["bleu"] == pytest.approx(cpu["bleu"], abs=0.05)
    assert gpu["bytes"] == cpu["bytes"] and gpu["kept"] == cpu["kept"]
    retrained = found["gpu"][1, "retrained", "class-blind", 0.7]
    assert retrained["kept"] == gpu["kept"] and retrained["perplexity"] < gpu["perplexity"]

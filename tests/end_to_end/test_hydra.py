"""fairseq-hydra-train with configs/*.yaml does what the command line does."""

import pytest
from commands import PLUGIN, REPO, equal, run, state_of

LUONG = "--lr-scheduler luong --lr-decay-every 0.5"
SMOOTHED = "--criterion label_smoothed_cross_entropy"
GRADUAL = f"""{LUONG} {SMOOTHED} --dropout 0.2 --lr 0.002 --lr-decay-start 6 --max-epoch 8
    --prune-sparsity 0.9 --prune-schedule gradual --prune-end 6"""
#: what each file says, as flags, but for what the test makes smaller
FLAGS = {
    "multi30k_retrain": f"{SMOOTHED} --dropout 0.1 --lr 0.002 --lr-scheduler luong "
    "--lr-decay-start 3.25 --lr-decay-every 0.25 --max-epoch 4 "
    "--prune-scheme class-distribution --prune-sparsity 0.8",
    "multi30k_gradual": f"{GRADUAL} --prune-every 2 --prune-scheme class-distribution "
    "--prune-exclude embedding --prune-exclude ^softmax:",
    "multi30k_gradual_fisher": f"{GRADUAL} --prune-every 3 --prune-scheme class-blind "
    "--prune-score fisher --prune-samples 512",
    "multi30k_taught": "--criterion distillation --teacher-weight 0.8 --dropout 0.177 "
    "--lr-scheduler polynomial_decay --lr 0.00507 --warmup-updates 2 --total-num-update 9 "
    "--end-learning-rate 5.07e-05 --max-epoch 6 --prune-scheme class-blind "
    "--prune-sparsity 0.65 --prune-score kron --prune-samples 32",
}
CHANGED = {
    "multi30k_retrain": ("task.prune_scheme=class-distribution",),
    "multi30k_gradual": (
        "task.prune_scheme=class-distribution", "task.prune_every=2", "task.prune_end=6",
        "+task.prune_exclude=[embedding,'^softmax:']",
    ),
    "multi30k_gradual_fisher": ("task.prune_every=3", "task.prune_end=6"),
    "multi30k_taught": (
        "criterion.teacher={dense}", "lr_scheduler.warmup_updates=2",
        "lr_scheduler.total_num_update=9", "+task.prune_samples=32",
    ),
}  # fmt: skip


def test_every_file_is_tested():
    assert {path.stem for path in (REPO / "configs").glob("*.yaml")} == set(FLAGS)


@pytest.mark.parametrize("name", list(FLAGS))
def test_yaml_and_command_line_train_the_same_model(data, dense, tmp_path, name):
    run(
        "fairseq-hydra-train", "--config-dir", REPO / "configs",
        "--config-name", name, f"common.user_dir={PLUGIN}", f"task.data={data}",
        f"checkpoint.save_dir={tmp_path / 'yaml'}",
        f"checkpoint.finetune_from_model={dense}", f"hydra.run.dir={tmp_path / 'hydra'}",
        "model.hidden_size=32", "model.init_range=0.5", "dataset.max_tokens=400",
        "optimization.max_update=8", *(word.format(dense=dense) for word in CHANGED[name]),
    )  # fmt: skip
    run(
        "fairseq-train", data, "--user-dir", PLUGIN, "--cpu", "--seed", "1",
        "--task", "pruned_translation", "--arch", "pruned_lstm_nmt", "--hidden-size", "32",
        "--num-layers", "2", "--init-range", "0.5", "--label-smoothing", "0.1",
        "--max-tokens", "400", "--num-workers", "0", "--required-batch-size-multiple", "1",
        "--optimizer", "pruned_adam", "--adam-betas", "(0.9, 0.98)",
        "--max-update", "8", "--clip-norm", "5", "--no-epoch-checkpoints",
        *FLAGS[name].split(), *(("--teacher", dense) if name == "multi30k_taught" else ()),
        "--finetune-from-model", dense, "--save-dir", tmp_path / "flags",
    )  # fmt: skip
    yaml, flags = (state_of(tmp_path / x / "checkpoint_last.pt") for x in ("yaml", "flags"))
    record = flags["last_optimizer_state"]["prune"]
    assert record["scheme"] in FLAGS[name]
    if "--prune-exclude" in FLAGS[name]:
        assert record["run"]["exclude"] == "embedding|^softmax:"
        assert not any("embed" in key or "fc_out" in key for key in record["masks"])
    assert equal(yaml["model"], flags["model"])
    assert equal(yaml["last_optimizer_state"], flags["last_optimizer_state"])
    best = state_of(tmp_path / "yaml" / "checkpoint_best.pt")
    assert best["last_optimizer_state"]["prune"]["sparsity"] in (0.65, 0.8, 0.9)
